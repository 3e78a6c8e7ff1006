import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../../store/database.ts';

/** Lays a checkpoint down outside the store. */
export type Anchor = {
  readonly place: string;
  readonly everyMs: number;
  /** Resolves with where it can be found there, if the place says so; rejects when it could not be laid down. */
  lay(note: string): Promise<string | undefined>;
};

export type AnchorsOptions = {
  readonly db: Database;
  readonly anchors: readonly Anchor[];
  readonly onError: (error: Error) => void;
  /** How often it is looked whether something is due; default 1 s. */
  readonly lookMs?: number;
};

/** Longer than any anchor may take. */
const TURN_MS = 180_000;
const LOOK_MS = 1_000;
const FIRST_RETRY_MS = 5_000;
const LAST_RETRY_MS = 600_000;

/**
 * Lays the newest checkpoint down in each place, as often as the place says. Places wait neither for each other nor for
 * the log, and of several processes one takes its turn at each. Returns what stops it.
 */
export function startAnchors(options: AnchorsOptions): { close(): Promise<void> } {
  const stopping = new AbortController();
  const { signal } = stopping;
  const done = options.anchors.map(async (anchor) => {
    while (!signal.aborted) {
      // oxlint-disable no-await-in-loop -- one turn after the other
      await layDue(options, anchor).catch((cause: unknown) =>
        options.onError(new Error(`the anchor ${anchor.place} cannot be looked after`, { cause })),
      );
      await sleep(options.lookMs ?? LOOK_MS, undefined, { signal }).catch(() => undefined);
      // oxlint-enable no-await-in-loop
    }
  });
  return {
    async close() {
      stopping.abort();
      await Promise.all(done);
    },
  };
}

/** True when a checkpoint was laid down now. */
async function layDue({ db, onError }: AnchorsOptions, anchor: Anchor): Promise<boolean> {
  const due = await takeTurn(db, anchor);
  if (!due) return false;
  try {
    const reference = await anchor.lay(due.note);
    await db.transaction(async (sql) => {
      await sql.query(
        'insert into countersign.tree_anchor (size, place, reference) values ($1, $2, $3) on conflict do nothing',
        [due.size, anchor.place, reference ?? null],
      );
      await sql.query(
        `update countersign.anchor_turn set until = clock_timestamp(), failures = 0, problem = null, since = null
         where place = $1`,
        [anchor.place],
      );
    });
    return true;
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    const isNews = await failed(db, anchor.place, message.slice(0, 500));
    if (isNews)
      onError(new Error(`no checkpoint was laid down in ${anchor.place}: ${message}`, { cause }));
    return false;
  }
}

type Due = { readonly size: string; readonly note: string };

/** The checkpoint that is due in this place, when nobody else is at it. */
async function takeTurn(db: Database, anchor: Anchor): Promise<Due | undefined> {
  if (!(await dueIn(db, anchor))) return undefined;
  const { rowCount } = await db.pool.query(
    `insert into countersign.anchor_turn as t (place, until) values ($1, clock_timestamp() + ${TURN_MS} * interval '1 ms')
     on conflict (place) do update set until = excluded.until where t.until <= clock_timestamp()`,
    [anchor.place],
  );
  if (!rowCount) return undefined;
  // Who had the turn before may have laid it down since we looked.
  const due = await dueIn(db, anchor);
  if (!due)
    await db.pool.query(
      'update countersign.anchor_turn set until = clock_timestamp() where place = $1',
      [anchor.place],
    );
  return due;
}

async function dueIn(db: Database, { place, everyMs }: Anchor): Promise<Due | undefined> {
  const { rows } = await db.pool.query<Due>(
    `select newest.size, note from (select size, note from countersign.tree_checkpoint order by size desc limit 1) newest,
       (select max(at) as at, max(size) as size from countersign.tree_anchor where place = $1) last
     where newest.size > coalesce(last.size, 0)
       and coalesce(last.at <= clock_timestamp() - $2 * interval '1 ms', true)`,
    [place, everyMs],
  );
  return rows[0];
}

/** Puts the next try off, each time further. True when this is not what was said last. */
async function failed(db: Database, place: string, problem: string): Promise<boolean> {
  const { rows } = await db.pool.query<{ news: boolean }>(
    `with before as (select problem from countersign.anchor_turn where place = $1)
     update countersign.anchor_turn t set failures = failures + 1, problem = $2, since = coalesce(since, clock_timestamp()),
       until = clock_timestamp() + least(${FIRST_RETRY_MS} * 2 ^ least(failures, 16), ${LAST_RETRY_MS}) * interval '1 ms'
     from before where t.place = $1 returning before.problem is distinct from $2 as news`,
    [place, problem],
  );
  return rows[0]?.news ?? true;
}

export type AnchorState = {
  readonly place: string;
  /** Records that were laid down last, when, and where it can be found. */
  readonly size?: number;
  readonly at?: string;
  readonly reference?: string;
  /** Seconds since then; since the first checkpoint, when nothing was laid down yet; 0 when nothing has changed since. */
  readonly age: number;
  readonly problem?: string;
};

type StateRow = {
  place: string;
  size: string | null;
  at: Date | null;
  reference: string | null;
  age: number | null;
  problem: string | null;
};

/** How each place stands, in the order of `places`. */
export async function anchorStates(
  db: Pick<Database, 'pool'>,
  places: readonly string[],
): Promise<readonly AnchorState[]> {
  const { rows } = await db.pool.query<StateRow>(
    `select p.place, a.size, a.at, a.reference, t.problem,
       case when a.size >= (select max(size) from countersign.tree_checkpoint) then 0 else
         extract(epoch from clock_timestamp() - coalesce(a.at, (select min(at) from countersign.tree_checkpoint)))::float8 end as age
     from unnest($1::text[]) with ordinality p (place, n) left join countersign.anchor_turn t using (place)
     left join lateral (select size, at, reference from countersign.tree_anchor a where a.place = p.place
       order by a.at desc, a.size desc limit 1) a on true order by n`,
    [places],
  );
  return rows.map(({ place, size, at, reference, age, problem }) => ({
    place,
    age: age ?? 0,
    ...(size !== null && { size: Number(size) }),
    ...(at && { at: at.toISOString() }),
    ...(reference !== null && { reference }),
    ...(problem !== null && { problem }),
  }));
}
