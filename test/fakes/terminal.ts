import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

export type Program = {
  readonly child: ChildProcess;
  /** What it has printed so far. */
  readonly said: { out: string; err: string };
  /** The exit code; -1 when a signal ended it. */
  readonly done: Promise<number>;
  type(text: string): void;
  /** Resolves once `words` stand in its output (both streams); rejects after `ms` (20 s), or when it has ended without them. */
  prints(words: string | RegExp, ms?: number): Promise<string>;
};

/** A program as a user runs it: environment, input and signals are the caller's. */
export function startProgram(
  file: string,
  args: readonly string[],
  options: { readonly env: NodeJS.ProcessEnv; readonly cwd?: string; readonly detached?: boolean },
): Program {
  const child = spawn(file, args, { ...options, stdio: ['pipe', 'pipe', 'pipe'] });
  const said = { out: '', err: '' };
  let wake: (() => void) | undefined;
  let over = false;
  child.stdout.on('data', (chunk: Buffer) => {
    said.out += chunk.toString();
    wake?.();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    said.err += chunk.toString();
    wake?.();
  });
  // A program that ends without reading its input is no error of the test.
  child.stdin.on('error', () => undefined);
  const done = once(child, 'close').then(() => {
    over = true;
    wake?.();
    return child.exitCode ?? -1;
  });
  return {
    child,
    said,
    done,
    type: (text) => void child.stdin.write(text),
    async prints(words, ms = 20_000) {
      const signal = AbortSignal.timeout(ms);
      for (;;) {
        const text = said.out + said.err;
        if (typeof words === 'string' ? text.includes(words) : words.test(text)) return text;
        if (over || signal.aborted)
          throw new Error(
            `${over ? 'ended' : `${ms} ms`} without ${String(words)}; printed: ${text}`,
          );
        await new Promise<void>((resolve) => {
          wake = resolve;
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
      }
    },
  };
}
