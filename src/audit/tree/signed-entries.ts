import type { Sql } from '../../store/database.ts';
import { commitment, readLeaf } from '../chain.ts';
import { SignedChain, type ChainSignature } from '../signed-chain.ts';
import { UNSIGNED_MS } from '../signatures.ts';
import { formatVkey, Malformed, parseVkey, type NoteKey } from './note.ts';
import { inWords, type Entry, type Found, type Reached, type Signing } from './store.ts';

/** How many of a writer's next entries are to be placed now, and what is known of its signatures then. */
export type Placing = Signing & { readonly count: number };

type Known = {
  readonly signatures: ReadonlyMap<string, ChainSignature>;
  /** Writers that have signed a record behind these, and so these. */
  readonly ahead: ReadonlySet<string>;
  /** By record id; undefined when it is erased or not what its leaf commits to. */
  readonly bodies: ReadonlyMap<string, string>;
};

const SOFT = 'unsigned: ';

/**
 * Holds entries back until their writer has signed them, but not for ever: what has run must come into the tree even if
 * somebody takes signatures away. Then it is placed, and its writer flagged.
 */
export class SignedEntries {
  readonly #patienceMs: number;
  readonly #chains = new Map<string, SignedChain>();
  readonly #waitingSince = new Map<string, number>();

  constructor(patienceMs = UNSIGNED_MS) {
    this.#patienceMs = patienceMs;
  }

  async place(sql: Sql, found: ReadonlyMap<string, Found>): Promise<ReadonlyMap<string, Placing>> {
    const known = await read(sql, found);
    return new Map([...found].map(([writer, one]) => [writer, this.#placed(writer, one, known)]));
  }

  #placed(writer: string, { from, entries }: Found, known: Known): Placing {
    const all = { count: entries.length, key: from.key, flag: from.flag };
    // Of a chain that is broken nothing can be said any more; verify looks at each record again.
    if (from.flag !== null && !from.flag.startsWith(SOFT)) return all;
    const chain = this.#chainOf(writer, from);
    // Who signs nothing waits for nothing: chains from before writers signed.
    if (!chain.key && from.key === null && !entries.some(announces)) return all;
    const count = this.#count(writer, entries, known);
    const flag = count > 0 ? follow(chain, entries.slice(0, count), known) : from.flag;
    const { key } = chain;
    return { count, key: key ? formatVkey(key) : null, flag };
  }

  #chainOf(writer: string, from: Reached & Signing): SignedChain {
    const kept = this.#chains.get(writer);
    if (kept) return kept;
    const chain =
      from.key === null
        ? new SignedChain(writer)
        : SignedChain.from(writer, from, keptKey(from.key));
    this.#chains.set(writer, chain);
    return chain;
  }

  #count(writer: string, entries: readonly Entry[], known: Known): number {
    const signed = entries.findLastIndex((entry) => known.signatures.has(placeOf(entry))) + 1;
    if (signed === entries.length || known.ahead.has(writer)) {
      this.#waitingSince.delete(writer);
      return entries.length;
    }
    const now = performance.now();
    const since = signed > 0 ? now : (this.#waitingSince.get(writer) ?? now);
    this.#waitingSince.set(writer, since);
    return now - since > this.#patienceMs ? entries.length : signed;
  }
}

/** Of what somebody has written there by hand nothing is known, and the next signature flags the writer. */
function keptKey(text: string): NoteKey | undefined {
  try {
    return parseVkey(text);
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

/** What is wrong with them, in words; null when nothing is. */
function follow(chain: SignedChain, entries: readonly Entry[], known: Known): string | null {
  for (const entry of entries) {
    const leaf = readLeaf(entry.leaf);
    if (!leaf) continue;
    const { kind, id, time } = leaf;
    const record = {
      seq: entry.seq,
      hash: entry.hash,
      kind,
      time: Date.parse(time),
      body: kind === 'writer' ? (known.bodies.get(id) ?? null) : null,
    };
    const bad = chain.take(record, known.signatures.get(placeOf(entry)));
    if (bad) return inWords(bad);
  }
  const bad = chain.settle();
  if (bad) return inWords(bad);
  return chain.key && chain.unsignedMs > UNSIGNED_MS
    ? `${SOFT}records of ${Math.round(chain.unsignedMs / 1_000)} s are not signed by their writer`
    : null;
}

const placeOf = ({ writer, seq }: Entry): string => `${seq} ${writer}`;
/** Cheaper than reading every leaf; a name that holds this has it escaped. */
const announces = ({ leaf }: Entry): boolean => leaf.includes('"kind":"writer"');

async function read(sql: Sql, found: ReadonlyMap<string, Found>): Promise<Known> {
  const writers = [...found].map(([writer, { from, entries }]) => ({
    writer,
    after: from.seq,
    last: entries.at(-1)?.seq ?? from.seq,
  }));
  const { rows: signed } = await sql.query<ChainSignature & { writer: string; seq: string }>({
    name: 'tree-signatures',
    text: `select s.writer, s.seq, s.key, s.signature from unnest($1::text[], $2::bigint[], $3::bigint[]) w (writer, after, last)
      cross join lateral (
        (select * from countersign.record_signature where writer = w.writer and seq > w.after and seq <= w.last)
        union all
        (select * from countersign.record_signature where writer = w.writer and seq > w.last order by seq limit 1)) s`,
    values: [
      writers.map(({ writer }) => writer),
      writers.map(({ after }) => after),
      writers.map(({ last }) => last),
    ],
  });
  const ends = new Map(writers.map(({ writer, last }) => [writer, last]));
  const beyond = signed.filter(({ writer, seq }) => Number(seq) > (ends.get(writer) ?? 0));
  return {
    signatures: new Map(signed.map((row) => [`${row.seq} ${row.writer}`, row])),
    ahead: new Set(beyond.map(({ writer }) => writer)),
    bodies: await readBodies(sql, found),
  };
}

/** What `writer` records say. */
async function readBodies(
  sql: Sql,
  found: ReadonlyMap<string, Found>,
): Promise<ReadonlyMap<string, string>> {
  const leaves = [...found.values()].flatMap(({ entries }) =>
    entries.filter(announces).flatMap((entry) => readLeaf(entry.leaf) ?? []),
  );
  if (leaves.length === 0) return new Map();
  const { rows } = await sql.query<{ id: string; salt: Buffer | null; body: string | null }>(
    'select id, salt, body from countersign.record_body where id = any($1)',
    [leaves.map(({ id }) => id)],
  );
  const commits = new Map(leaves.map(({ id, commit }) => [id, commit]));
  return new Map(
    rows.flatMap(({ id, salt, body }) =>
      salt && body !== null && commitment(salt, body) === commits.get(id)
        ? [[id, body] as const]
        : [],
    ),
  );
}
