import { spawn } from 'node:child_process';
import { verify, type KeyObject } from 'node:crypto';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { publicKeyOf } from './note.ts';
import type { Keys, SigningKey } from './signing-key.ts';

// One JSON object a line: the program begins with its keys, the newest first, then answers one question after the other.
const hello = z.strictObject({ keys: z.array(z.base64().length(44)).min(1) });
const answer = z.union([
  z.strictObject({ signature: z.base64().length(88) }),
  z.strictObject({ refused: z.string() }),
]);

const PATIENCE_MS = 10_000;

/**
 * Keys that a program keeps, such as one that asks a KMS: it prints `{"keys":[…]}` (base64 of the 32 bytes of each public key),
 * reads `{"key":…,"sign":…}` (base64 of the message) and prints `{"signature":…}` or `{"refused":"why"}`. It is started
 * again when it has ended. Rejects when it does not begin.
 */
export async function openKeyProgram(
  command: readonly [string, ...string[]],
  onError: (text: string) => void,
): Promise<Keys> {
  const program = new Program(command, onError);
  const names = await program.start();
  const [current, ...retired] = names.map((raw) => program.key(raw));
  if (!current) throw new Error(`${command[0]} names no key`);
  return { current, retired, close: () => program.close() };
}

type Running = {
  readonly ask: (question: object) => Promise<unknown>;
  readonly end: () => Promise<void>;
};

class Program {
  readonly #command: readonly [string, ...string[]];
  readonly #onError: (text: string) => void;
  #running: Running | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(command: readonly [string, ...string[]], onError: (text: string) => void) {
    this.#command = command;
    this.#onError = onError;
  }

  async start(): Promise<readonly string[]> {
    const [program, ...args] = this.#command;
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    child.stderr.setEncoding('utf8').on('data', this.#onError);
    child.on('error', (error) => this.#onError(error.message));
    child.stdin.on('error', () => undefined);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    const next = async (): Promise<unknown> => {
      const late = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
      const { value, done } = await lines.next().finally(() => clearTimeout(late));
      if (done) throw new Error(`${program} has ended, or did not answer in time`);
      return JSON.parse(value);
    };
    this.#running = {
      ask: async (question) => {
        child.stdin.write(`${JSON.stringify(question)}\n`);
        return next();
      },
      end: async () => {
        child.stdin.end();
        const late = setTimeout(() => child.kill('SIGKILL'), 2_000);
        await ended;
        clearTimeout(late);
      },
    };
    try {
      return hello.parse(await next()).keys;
    } catch (cause) {
      this.#running = undefined;
      child.kill('SIGKILL');
      throw new Error(`${program} did not say which keys it has`, { cause });
    }
  }

  key(raw: string): SigningKey {
    const key = publicKeyOf(Buffer.from(raw, 'base64'));
    return { key, sign: (message) => this.#inTurn(() => this.#sign(raw, key, message)) };
  }

  async close(): Promise<void> {
    await this.#turn;
    await this.#running?.end();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#turn.then(work);
    this.#turn = next.catch(() => undefined);
    return next;
  }

  async #sign(raw: string, key: KeyObject, message: Buffer): Promise<Buffer> {
    if (!this.#running) await this.start();
    const running = this.#running;
    try {
      const said = answer.parse(await running?.ask({ key: raw, sign: message.toString('base64') }));
      if ('refused' in said) throw new Error(said.refused);
      const made = Buffer.from(said.signature, 'base64');
      // A signature that nobody can check is worse than none: it would be stored for good.
      if (!verify(undefined, message, key, made))
        throw new Error('it answered with a signature that its key did not make');
      return made;
    } catch (cause) {
      this.#running = undefined;
      await running?.end();
      throw new Error(`${this.#command[0]} did not sign`, { cause });
    }
  }
}
