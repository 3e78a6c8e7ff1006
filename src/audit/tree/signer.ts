import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { z } from 'zod';
import { checkpointText } from './checkpoint.ts';
import { Keeper } from './keeper.ts';
import { ED25519, formatNote, formatVkey, noteKey, parseVkey, type NoteKey } from './note.ts';
import type { SigningKey } from './signing-key.ts';

// One JSON object a line, a question and its answer in turn: over pipes, so that the signer can be on another machine
// or under another user (`ssh`, `sudo`) and needs no port.
const question = z.strictObject({
  old: z.int().min(0),
  size: z.int().min(1),
  root: z.base64().length(44),
  proof: z.array(z.base64().length(44)).max(63),
});
type Question = z.infer<typeof question>;
const hello = z.strictObject({
  vkey: z.string(),
  size: z.int().min(0),
  /** Verifier keys that have signed before this one. */
  retired: z.array(z.string()).optional(),
});
const answer = z.union([
  z.strictObject({ note: z.string() }),
  z.strictObject({ conflict: z.int().min(0) }),
  z.strictObject({ refused: z.string() }),
]);

export type SignerParts = {
  /** Asked for each signature, so that a key that was rotated is in use at once. */
  readonly key: () => Promise<SigningKey>;
  /** Verifier keys that have signed before. */
  readonly retired?: readonly string[];
  readonly origin: string;
  /** Where the signer keeps what it has signed last; nobody else writes there. */
  readonly folder: string;
  readonly input: Readable;
  readonly output: Writable;
};

/** The signer's own process: answers until its input ends. It signs nothing that does not continue what it signed before. */
export async function runSigner({
  key,
  retired,
  origin,
  folder,
  input,
  output,
}: SignerParts): Promise<void> {
  const keeper = new Keeper(folder);
  const say = (what: object): void => void output.write(`${JSON.stringify(what)}\n`);
  const own = noteKey(origin, ED25519, (await key()).key);
  const past = retired && retired.length > 0 ? { retired } : {};
  say({ vkey: formatVkey(own), size: await keeper.size(origin), ...past });
  for await (const line of createInterface({ input })) {
    try {
      say(await sign(question.parse(JSON.parse(line))));
    } catch (error) {
      say({ refused: error instanceof Error ? error.message : String(error) });
    }
  }

  async function sign({ old, size, root, proof }: Question): Promise<z.infer<typeof answer>> {
    const head = { origin, size, root: Buffer.from(root, 'base64') };
    const text = checkpointText(head);
    const hashes = proof.map((hash) => Buffer.from(hash, 'base64'));
    // Looked for first: what cannot be signed must not be remembered as signed.
    const now = await key();
    const kept = await keeper.advance({ ...head, old, proof: hashes }, () =>
      signed(text, origin, now),
    );
    if (kept.kind === 'kept') return { note: await kept.value };
    if (kept.kind === 'conflict') return { conflict: kept.size };
    return { refused: FORK };
  }
}

async function signed(text: string, origin: string, by: SigningKey): Promise<string> {
  const { name, id } = noteKey(origin, ED25519, by.key);
  return formatNote({ text, signatures: [{ name, id, bytes: await by.sign(Buffer.from(text)) }] });
}

const FORK = 'this tree does not continue the one that was signed before';

/** The signer refuses, or cannot be asked. */
export class NotSigned extends Error {
  override name = 'NotSigned';
}

export type Signer = {
  readonly key: NoteKey;
  /** The keys before it, the oldest first. */
  readonly retired: readonly NoteKey[];
  /** The size of the last tree it has signed. */
  readonly size: number;
  /** Resolves with the signed note, or with the size it has signed in fact when that is not `old`. Rejects with NotSigned. */
  sign(step: {
    readonly old: number;
    readonly size: number;
    readonly root: Buffer;
    readonly proof: readonly Buffer[];
  }): Promise<string | number>;
  close(): Promise<void>;
};

/** Starts the signer's process and speaks with it. Rejects with NotSigned when it does not answer. */
export async function openSigner(
  command: readonly [string, ...string[]],
  onError: (text: string) => void,
): Promise<Signer> {
  const [program, ...args] = command;
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  child.stderr.setEncoding('utf8').on('data', onError);
  child.on('error', (error) => onError(error.message));
  child.stdin.on('error', () => undefined);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const next = async (): Promise<unknown> => {
    const { value, done } = await lines.next();
    if (done) throw new NotSigned('the signer has ended');
    return JSON.parse(value);
  };
  let first: z.infer<typeof hello>;
  try {
    first = hello.parse(await next());
  } catch (cause) {
    child.kill();
    throw new NotSigned('the signer did not start', { cause });
  }
  let { size } = first;
  return {
    key: parseVkey(first.vkey),
    retired: (first.retired ?? []).map(parseVkey),
    get size() {
      return size;
    },
    async sign(step) {
      const root = step.root.toString('base64');
      const proof = step.proof.map((hash) => hash.toString('base64'));
      child.stdin.write(`${JSON.stringify({ ...step, root, proof })}\n`);
      const said = answer.parse(await next());
      if ('refused' in said) throw new NotSigned(said.refused);
      size = 'note' in said ? step.size : said.conflict;
      return 'note' in said ? said.note : said.conflict;
    },
    async close() {
      child.stdin.end();
      const timer = setTimeout(() => child.kill('SIGKILL'), 2_000);
      await ended;
      clearTimeout(timer);
    },
  };
}
