import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** A program in a process of its own that is started again whenever it ends, however it ended. */
export class Supervised {
  readonly #program: URL;
  readonly #arguments: readonly string[];
  readonly #log: string;
  #child: ChildProcess | undefined;
  #wanted = true;
  readonly #running: Promise<void>;

  constructor(program: URL, args: readonly string[], log: string) {
    this.#program = program;
    this.#arguments = args;
    this.#log = log;
    this.#running = this.#keep();
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Lets it end, and not come back. */
  async stop(): Promise<void> {
    this.#wanted = false;
    this.#child?.kill('SIGCONT');
    this.#child?.kill('SIGTERM');
    const child = this.#child;
    const late = setTimeout(() => child?.kill('SIGKILL'), 15_000);
    await this.#running;
    clearTimeout(late);
  }

  async #keep(): Promise<void> {
    while (this.#wanted) {
      const child = fork(this.#program, this.#arguments, {
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      });
      this.#child = child;
      const keep = (bytes: Buffer): void => void appendFile(this.#log, bytes);
      child.stdout?.on('data', keep);
      child.stderr?.on('data', keep);
      await once(child, 'exit');
      await sleep(200);
    }
  }
}
