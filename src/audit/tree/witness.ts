import type { KeyObject } from 'node:crypto';
import { parseCheckpoint, parseSize } from './checkpoint.ts';
import { Keeper, type Step } from './keeper.ts';
import {
  cosignText,
  decode64,
  Malformed,
  parseNote,
  signatureLine,
  signedBy,
  type Note,
  type NoteKey,
  type Signature,
} from './note.ts';

export type Answer = { readonly status: number; readonly type: string; readonly body: string };

export type WitnessParts = {
  readonly name: string;
  readonly key: KeyObject;
  /** Logs that it watches. */
  readonly logs: readonly NoteKey[];
  readonly folder: string;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
};

/** A witness (C2SP tlog-witness): cosigns what continues the last tree it has seen of a log, and nothing else. */
export class Witness {
  readonly #parts: WitnessParts;
  readonly #keeper: Keeper;

  constructor(parts: WitnessParts) {
    this.#parts = parts;
    this.#keeper = new Keeper(parts.folder);
  }

  /** `POST <prefix>/add-checkpoint`: 200 with the cosignature, 400, 403, 404, 409 with the size, or 422. */
  async addCheckpoint(body: string): Promise<Answer> {
    let asked: { step: Step; note: Note };
    try {
      asked = parseRequest(body);
    } catch (error) {
      if (error instanceof Malformed) return plain(400, error.message);
      throw error;
    }
    const { step, note } = asked;
    const keys = this.#parts.logs.filter(({ name }) => name === step.origin);
    if (keys.length === 0) return plain(404, `the log ${step.origin} is not watched here`);
    if (!keys.some((key) => signedBy(note, key) === true))
      return plain(403, 'no key of this log that is known here has signed it');
    if (step.old > step.size) return plain(400, 'the old size is more than the new one');
    return this.#keep(step, note);
  }

  async #keep(step: Step, note: Note): Promise<Answer> {
    const { name, key, now = Date.now } = this.#parts;
    const kept = await this.#keeper.advance(step, () =>
      cosignText(note.text, name, key, Math.floor(now() / 1_000)),
    );
    if (kept.kind === 'kept') return plain(200, signatureLine(kept.value), '');
    if (kept.kind === 'conflict')
      return { status: 409, type: 'text/x.tlog.size', body: `${kept.size}\n` };
    return step.old === step.size
      ? plain(409, 'another tree of this size was cosigned before')
      : plain(422, 'the tree does not continue the one that was cosigned before');
  }
}

const plain = (status: number, body: string, end = '\n'): Answer => ({
  status,
  type: 'text/plain; charset=utf-8',
  body: body + end,
});

/** `old N`, the hashes of the proof, an empty line, the checkpoint. Throws Malformed. */
function parseRequest(body: string): { readonly step: Step; readonly note: Note } {
  const split = body.indexOf('\n\n');
  const [first = '', ...lines] = body.slice(0, Math.max(0, split)).split('\n');
  const old = first.startsWith('old ') ? parseSize(first.slice(4)) : undefined;
  if (old === undefined) throw new Malformed('the request does not begin with the old size');
  if (lines.length > 63) throw new Malformed('the proof is too long');
  const proof = lines.map((line) => {
    const hash = decode64(line);
    if (hash?.length !== 32) throw new Malformed('a hash of the proof is not 32 bytes in base64');
    return hash;
  });
  const note = parseNote(body.slice(split + 2));
  return { step: { ...parseCheckpoint(note.text), old, proof }, note };
}

/** The request that asks a witness to cosign. */
export function witnessRequest(old: number, proof: readonly Buffer[], note: string): string {
  const hashes = proof.map((hash) => `${hash.toString('base64')}\n`).join('');
  return `old ${old}\n${hashes}\n${note}`;
}

/** The good cosignatures of this witness in its answer; those of others are passed over. Throws Malformed. */
export function cosignaturesIn(body: string, text: string, key: NoteKey): readonly Signature[] {
  const { signatures } = parseNote(`${text}\n${body}`);
  return signatures.filter((one) => signedBy({ text, signatures: [one] }, key) !== false);
}
