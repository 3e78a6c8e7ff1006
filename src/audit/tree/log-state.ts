import type { Database } from '../../store/database.ts';
import { flaggedWriters, liveWriters } from '../silence.ts';
import { anchorStates, type AnchorState } from './anchors.ts';
import { parseNote } from './note.ts';

/** How far the log is, and what is wrong with it as far as that is known without verifying it. */
export type LogState = {
  /** Records in the tree, and those that are written and not in it yet. */
  readonly size: number;
  readonly waiting: number;
  /** The newest checkpoint; `signers` are the names on its signatures, the log's own first. */
  readonly checkpoint?: {
    readonly size: number;
    readonly at: string;
    readonly root: string;
    readonly signers: readonly string[];
    readonly note: string;
  };
  /** Records that enough witnesses have cosigned. */
  readonly witnessed?: number;
  readonly anchors: readonly AnchorState[];
  /** One sentence each. */
  readonly findings: readonly string[];
};

type Row = {
  size: string;
  waiting: string;
  signed: string | null;
  at: Date | null;
  root: Buffer | null;
  note: string | null;
  witnessed: string | null;
};

// Each writer's newest record, without counting: chains have no gaps.
const STATE = `
  with recursive w (writer) as (
    select min(writer) from countersign.record
    union all
    select (select min(r.writer) from countersign.record r where r.writer > w.writer) from w where w.writer is not null)
  select h.size, c.size as signed, c.at, c.root, c.note,
    (select max(size) from countersign.tree_checkpoint where witnessed_at is not null) as witnessed,
    (select coalesce(sum(last.seq - coalesce(t.seq, 0)), 0) from w
       cross join lateral (select max(seq) as seq from countersign.record where writer = w.writer) last
       left join countersign.tree_writer t on t.writer = w.writer where w.writer is not null) as waiting
  from countersign.tree_head h
  left join lateral (select * from countersign.tree_checkpoint order by size desc limit 1) c on true`;

export async function logState(
  db: Pick<Database, 'pool'>,
  places: readonly string[],
): Promise<LogState> {
  const [{ rows }, anchors, writers, flagged] = await Promise.all([
    db.pool.query<Row>(STATE),
    anchorStates(db, places),
    liveWriters(db),
    flaggedWriters(db),
  ]);
  const [row = EMPTY] = rows;
  const [size, signed] = [Number(row.size), Number(row.signed ?? 0)];
  return {
    size,
    waiting: Number(row.waiting),
    ...newestOf(row),
    ...(row.witnessed !== null && { witnessed: Number(row.witnessed) }),
    anchors,
    findings: [
      ...flagged.map(({ writer, why }) => `${writer}: ${why}`),
      ...writers
        .filter(({ silent }) => silent)
        .map(({ writer, seconds }) => `${writer} has written nothing for ${Math.round(seconds)} s`),
      ...(signed > size
        ? [`a tree of ${signed} records was signed, and only ${size} are there`]
        : []),
    ],
  };
}

const EMPTY: Row = {
  size: '0',
  waiting: '0',
  signed: null,
  at: null,
  root: null,
  note: null,
  witnessed: null,
};

function newestOf({ signed, at, root, note }: Row): Pick<LogState, 'checkpoint'> {
  if (!at || !root || note === null) return {};
  const signers = parseNote(note).signatures.map(({ name }) => name);
  const newest = { size: Number(signed), at: at.toISOString(), root: root.toString('base64') };
  return { checkpoint: { ...newest, signers, note } };
}
