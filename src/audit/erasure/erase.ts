import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Sql } from '../../store/database.ts';
import { eraseBeside, erasePersonBeside } from './beside.ts';
import type { Filter } from './filter.ts';
import { demandReason, HoldRefused } from './holds.ts';
import {
  addCounts,
  alone,
  type Asked,
  Busy,
  type Erased,
  type EraseParts,
  type Job,
  jobsOf,
  tell,
} from './job.ts';
import {
  coversOf,
  type Covers,
  demandGone,
  demandNoHold,
  demandNoHoldOn,
  demandSettled,
  ErasureRefused,
  HeldBack,
  itemsOf,
  shareHolds,
} from './plan.ts';

const BATCH = 500;
const ITEMS = 'select record as id, at from countersign.erasure_item where erasure = $1';
const ids = (items: string): string => `select id from (${items}) i`;

/** How many records it would take in, and what stands against it, which is thrown. Changes nothing. */
export async function planErasure(
  { owner, configured }: Pick<EraseParts, 'owner' | 'configured'>,
  { filter }: Pick<Asked, 'filter'>,
): Promise<{ readonly records: number; readonly kinds: Readonly<Record<string, number>> }> {
  return owner.transaction(async (sql) => {
    await sql.query('set transaction read only');
    const { text, values } = itemsOf(filter, 1);
    await demandNothingAgainst(sql, filter, configured, { text, values });
    const { rows } = await sql.query<{ kind: string; count: number }>(
      `select b.kind, count(*)::float8 as count from (${text}) i join countersign.record_body b using (id, at) group by 1 order by 1`,
      [...values],
    );
    return {
      records: rows.reduce((sum, { count }) => sum + count, 0),
      kinds: Object.fromEntries(rows.map(({ kind, count }) => [kind, count])),
    };
  });
}

async function demandNothingAgainst(
  sql: Sql,
  filter: Filter,
  configured: readonly string[],
  items: { readonly text: string; readonly values: readonly unknown[] },
): Promise<void> {
  if (filter.person !== undefined) {
    await demandNoHoldOn(sql, filter.person);
    await demandGone(sql, filter.person, configured);
  }
  await demandSettled(sql, filter);
  await demandNoHold(sql, items.text, items.values);
}

/** Asks for an erasure that a second person has to confirm. Rejects with ErasureRefused. */
export async function askErasure(parts: EraseParts, asked: Asked): Promise<Erased> {
  const erasure = await begin(parts, asked, 'asked');
  await tell(parts, erasure, { event: 'ask' });
  return { erasure: erasure.id, state: 'asked', records: 0, counts: {} };
}

/**
 * Erases: first its record, then the rows that repeat what the records say, then salt and body of each record, then the
 * record of its end. Killed at any point, `resumeErasures` goes on. Rejects with ErasureRefused, and nothing has changed.
 */
export async function erase(parts: EraseParts, asked: Asked): Promise<Erased> {
  return alone(parts.owner, async () => carryOut(parts, await begin(parts, asked, 'planned')));
}

/** Carries out what somebody else has asked for. Rejects with ErasureRefused. */
export async function confirmErasure(parts: EraseParts, id: string, by: string): Promise<Erased> {
  return alone(parts.owner, async () => {
    const [row] = await jobsOf(parts.owner, "id = $1 and state = 'asked'", [id]);
    if (!row) throw new ErasureRefused(`no erasure ${id} waits for a second person`);
    if (row.by === by)
      throw new ErasureRefused('a second person confirms it, not the one who asked');
    if (row.filter?.person === by) throw new ErasureRefused(OWN);
    await parts.owner.pool.query('update countersign.erasure set confirmed_by = $2 where id = $1', [
      id,
      by,
    ]);
    return carryOut(parts, { ...row, confirmed_by: by });
  });
}

/** Goes on with what a process that died has left. Does nothing while another one erases. */
export async function resumeErasures(parts: EraseParts): Promise<readonly Erased[]> {
  const done: Erased[] = [];
  await alone(
    parts.owner,
    async () => {
      for (const row of await jobsOf(
        parts.owner,
        "state in ('planned', 'recorded') and not filter ? 'month'",
      ))
        try {
          // oxlint-disable-next-line no-await-in-loop -- one erasure at a time
          done.push(await (row.state === 'planned' ? carryOut(parts, row) : work(parts, row)));
        } catch (error) {
          // What stands against it now has its own record; it is not tried again.
          if (!(error instanceof ErasureRefused)) throw error;
        }
    },
    0,
  ).catch((error: unknown) => {
    if (!(error instanceof Busy)) throw error;
  });
  return done;
}

const OWN = 'nobody erases their own tracks: somebody else has to ask for it and to confirm it';

async function begin(
  { owner }: EraseParts,
  { filter, reason, by }: Asked,
  state: 'asked' | 'planned',
): Promise<Job> {
  try {
    demandReason(reason, filter.person);
  } catch (error) {
    throw error instanceof HoldRefused ? new ErasureRefused(error.message) : error;
  }
  if (by !== undefined && filter.person === by) throw new ErasureRefused(OWN);
  itemsOf(filter, 1);
  const [id, pseudonym] = [randomUUID(), `erased-${randomBytes(6).toString('hex')}`];
  await owner.pool.query(
    `insert into countersign.erasure (id, state, filter, reason, by, pseudonym) values ($1, $6, $2, $3, $4, $5)`,
    [id, JSON.stringify(filter), reason, by ?? null, pseudonym, state],
  );
  const [row] = await jobsOf(owner, 'id = $1', [id]);
  if (!row) throw new Error(`the erasure ${id} is not in the store`);
  return row;
}

async function carryOut(parts: EraseParts, row: Job): Promise<Erased> {
  const { owner, failpoint } = parts;
  const filter = row.filter ?? {};
  let covers: Covers;
  try {
    covers = await owner.transaction(async (sql) => {
      await shareHolds(sql);
      await sql.query('delete from countersign.erasure_item where erasure = $1', [row.id]);
      const { text, values } = itemsOf(filter, 2);
      await sql.query(
        `insert into countersign.erasure_item (erasure, record, at) select $1::uuid, id, at from (${text}) items`,
        [row.id, ...values],
      );
      await demandNothingAgainst(sql, filter, parts.configured, { text: ITEMS, values: [row.id] });
      return coversOf(sql, ITEMS, [row.id]);
    });
  } catch (error) {
    await giveUp(parts, row, error);
    throw error;
  }
  if (covers.records === 0 && filter.person === undefined) {
    await owner.pool.query('delete from countersign.erasure where id = $1', [row.id]);
    return { erasure: row.id, state: 'done', records: 0, counts: {} };
  }
  await failpoint?.('planned');
  const record = await tell(parts, row, { event: 'begin', covers });
  await failpoint?.('begin');
  await owner.pool.query(
    "update countersign.erasure set state = 'recorded', record = $2 where id = $1",
    [row.id, record],
  );
  await failpoint?.('recorded');
  return work(parts, row);
}

/** An attempt that a hold stood against leaves a record. */
async function giveUp(parts: EraseParts, row: Job, error: unknown): Promise<void> {
  if (error instanceof HeldBack && row.by !== null)
    await tell(parts, row, { event: 'refused', holds: error.holds });
  await parts.owner.pool.query('delete from countersign.erasure where id = $1', [row.id]);
}

async function work(parts: EraseParts, row: Job): Promise<Erased> {
  try {
    await besides(parts, row);
    await bodies(parts, row);
  } catch (error) {
    const holds = heldBack(error);
    if (holds === undefined) throw error;
    return end(parts, row, 'stopped', holds);
  }
  return end(parts, row, 'done');
}

/** A hold that was placed since: as we found it, or as the store's own trigger did. */
function heldBack(error: unknown): string | undefined {
  if (error instanceof HeldBack) return error.holds;
  const refused = error instanceof Error && 'code' in error && error.code === '55006';
  return refused ? /legal hold: (.*)/u.exec(error.message)?.[1] : undefined;
}

async function besides({ owner, removeChunks, failpoint }: EraseParts, row: Job): Promise<void> {
  const person = row.filter?.person;
  const { rows } = await owner.pool.query<{ session: string }>(
    `select distinct b.session from (${ITEMS}) i join countersign.record_body b using (id, at)
     join countersign.recording r on r.session = b.session
     where b.kind in ('session-start', 'statement', 'outcome', 'recording')`,
    [row.id],
  );
  await owner.transaction(async (sql) => {
    await shareHolds(sql);
    await demandNoHold(sql, ITEMS, [row.id]);
    await failpoint?.('chunks');
    // oxlint-disable-next-line no-await-in-loop -- files, one folder after the other
    for (const { session } of rows) await removeChunks(session);
    await failpoint?.('beside');
    await addCounts(sql, row.id, await eraseBeside(sql, row.id, row.pseudonym, ids(ITEMS)));
  });
  await failpoint?.('records beside');
  if (person === undefined) return;
  await owner.transaction(async (sql) => {
    await shareHolds(sql);
    await demandNoHoldOn(sql, person);
    await addCounts(sql, row.id, await erasePersonBeside(sql, person, row.pseudonym));
  });
  await failpoint?.('person beside');
}

async function bodies({ owner, pauseMs, failpoint }: EraseParts, { id }: Job): Promise<void> {
  let after = '00000000-0000-0000-0000-000000000000';
  for (;;) {
    // oxlint-disable no-await-in-loop -- one batch after the other
    const { rows } = await owner.pool.query<{ last: string | null }>(ERASE, [id, after]);
    await failpoint?.('bodies');
    const last = rows[0]?.last;
    if (!last) return;
    after = last;
    if (pauseMs !== undefined) await sleep(pauseMs);
    // oxlint-enable no-await-in-loop
  }
}

const ERASE = `
  with part as (select record, at from countersign.erasure_item where erasure = $1 and record > $2 order by record limit ${BATCH}),
  gone as (
    update countersign.record_body b set salt = null, body = null, person = null, agent = null, session = null,
      statement = null, request = null, erased_by = $1
    from part where b.id = part.record and b.at = part.at and b.erased_by is null)
  select max(record::text) as last from part`;

async function end(
  parts: EraseParts,
  row: Job,
  state: 'done' | 'stopped',
  holds?: string,
): Promise<Erased> {
  const { owner, failpoint } = parts;
  const covers = await coversOf(
    owner.pool,
    'select id from countersign.record_body where erased_by = $1',
    [row.id],
  );
  const [now] = await jobsOf(owner, 'id = $1', [row.id]);
  const counts = now?.counts ?? {};
  const why = holds === undefined ? {} : { holds };
  await tell(parts, row, { event: state === 'done' ? 'end' : 'stop', covers, counts, ...why });
  await failpoint?.('end');
  await owner.transaction(async (sql) => {
    await sql.query('delete from countersign.erasure_item where erasure = $1', [row.id]);
    await sql.query(
      'update countersign.erasure set state = $2, filter = null, ended_at = clock_timestamp() where id = $1',
      [row.id, state],
    );
  });
  return { erasure: row.id, state, records: covers.records, counts, ...why };
}
