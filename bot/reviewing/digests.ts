import { parseSchedule, slotsUpTo } from '#src/config/schedule.ts';
import type { Config, DigestConfig } from '#src/config/config.ts';
import type { Database } from '#src/store/database.ts';
import type { ReviewingOffice } from '../office.ts';
import type { Say } from '../say.ts';
import { summaryPost } from './summary.ts';

export type DigestParts = {
  readonly db: Database;
  readonly office: Pick<ReviewingOffice, 'digest'>;
  readonly say: Pick<Say, 'say'>;
  readonly config: Pick<Config, 'chat' | 'publicUrl'>;
};

/** What is counted is some seconds behind what happens. */
const SETTLED_MS = 10_000;
/** A bot that was away for longer does not make up for it. */
const LATE_MS = 12 * 3_600_000;
const DAY_MS = 86_400_000;

type Due = { readonly digest: string; readonly slot: number; readonly from: number };

/**
 * Posts the digests whose time has come, each once however many bots there are: whoever moves the row on says it, in one
 * transaction. A digest that was never seen begins with its next time. Throws the first that failed, after all were tried.
 */
export async function postDigests(parts: DigestParts, now = Date.now()): Promise<void> {
  const failures: unknown[] = [];
  for (const config of parts.config.chat.digests ?? [])
    // oxlint-disable-next-line no-await-in-loop -- a summary is work for the store
    await postDigest(parts, config, now).catch((error: unknown) => failures.push(error));
  if (failures.length > 0) throw failures[0];
}

async function postDigest(parts: DigestParts, config: DigestConfig, now: number): Promise<void> {
  const due = await dueOf(parts.db, config, now);
  if (!due) return;
  const { digest, slot, from } = due;
  const { channel, target, timeZone } = config;
  const summed = await parts.office.digest(channel, { from, to: slot, target });
  const post = summaryPost(summed, {
    title: `What happened on ${target === '*' ? 'all targets' : target}`,
    publicUrl: parts.config.publicUrl,
    timeZone,
    about: `Targets: ${target}`,
  });
  await parts.db.transaction(async (sql) => {
    const { rowCount } = await sql.query(
      'update countersign.chat_digest set slot = to_timestamp($2 / 1000.0) where digest = $1 and slot < to_timestamp($2 / 1000.0)',
      [digest, slot],
    );
    if (rowCount !== 1) return;
    const key = `digest:${digest}:${new Date(slot).toISOString()}`;
    await parts.say.say({ key, to: { channel }, post }, sql);
  });
}

async function dueOf(
  { pool }: Pick<Database, 'pool'>,
  config: DigestConfig,
  now: number,
): Promise<Due | undefined> {
  const schedule = parseSchedule(config.at);
  const [slot, before] = schedule ? slotsUpTo(schedule, config.timeZone, now - SETTLED_MS) : [];
  if (slot === undefined) return undefined;
  const digest = [config.channel, config.target, config.at, config.timeZone].join(' ');
  const { rowCount: isNew } = await pool.query(
    'insert into countersign.chat_digest (digest, slot) values ($1, to_timestamp($2 / 1000.0)) on conflict do nothing',
    [digest, slot],
  );
  if (isNew) return undefined;
  const { rows } = await pool.query<{ slot: Date }>(
    'select slot from countersign.chat_digest where digest = $1',
    [digest],
  );
  const last = rows[0]?.slot.getTime() ?? slot;
  if (slot <= last || now - slot > LATE_MS) return undefined;
  return { digest, slot, from: slot - (config.coversMs ?? slot - (before ?? slot - DAY_MS)) };
}
