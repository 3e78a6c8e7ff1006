// One writer of the log in a process of its own, as a gateway has it: so many sessions that each wait for their record before
// the next. Its only argument is a WriterJob in JSON; it says when it is ready, waits for a word, and answers with a WriterResult.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Entry } from '#src/audit/log.ts';
import { startSequencer } from '#src/audit/tree/sequencer.ts';
import { openKeys } from '#src/audit/tree/keys.ts';
import { openAuditLog, type OpenAuditLog } from '#src/audit/writer.ts';
import { openDatabase } from '#src/store/database.ts';
import { percentiles } from './pgbench.ts';

export type WriterJob = {
  readonly url: string;
  readonly folder: string;
  readonly writer: string;
  readonly sessions: number;
  /** Until when: so many seconds, or so many records. */
  readonly until: { readonly seconds: number } | { readonly records: number };
};
export type WriterResult = {
  readonly records: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
};

const PEOPLE = Array.from({ length: 40 }, (_, n) => `person${n}@example.com`);
const TARGETS = ['prod-shop', 'prod-billing', 'staging-shop', 'warehouse'];
const TABLES = ['customers', 'orders', 'invoices', 'payments', 'shipments', 'tickets'];
const of = <T>(all: readonly T[], n: number): T | undefined => all[n % all.length];

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- audit.ts wrote it
const job = JSON.parse(process.argv[2] ?? '') as WriterJob;
const fail = (error: unknown): never => {
  console.error(error);
  process.exit(1);
};
const db = openDatabase(job.url, { onError: fail });
const keys = await openKeys(join(job.folder, `${job.writer}.pem`), fail);
const log = await openAuditLog({
  db,
  writer: job.writer,
  epoch: 1,
  held: () => true,
  onError: fail,
  signing: { keys },
});
// As in each gateway: one of them leads.
const sequencer = startSequencer({ db, onError: fail, onProblem: (...bad) => fail(bad) });
process.once('disconnect', () => process.exit());
process.send?.('ready');
await once(process, 'message');
const result = await run(log);
await log.close();
await sequencer.close();
await db.close();
process.send?.(result);
process.disconnect?.();

async function run(audit: OpenAuditLog): Promise<WriterResult> {
  const took: { endedAt: number; ms: number }[] = [];
  const { until } = job;
  const from = performance.now();
  const more = (): boolean =>
    'seconds' in until ? performance.now() - from < until.seconds * 1_000 : begun < until.records;
  let begun = 0;
  const session = async (id: string): Promise<void> => {
    while (more()) {
      const sent = performance.now();
      await audit.append(entry(id, begun++));
      const endedAt = performance.now();
      took.push({ endedAt, ms: endedAt - sent });
    }
  };
  await Promise.all(Array.from({ length: job.sessions }, () => session(randomUUID())));
  const seconds = (performance.now() - from) / 1_000;
  return { records: took.length, seconds, ...percentiles(took) };
}

/** A statement's record as the gate writes it, with what a search can tell it by. */
function entry(session: string, n: number): Entry {
  const table = of(TABLES, n * 7);
  const held = n % 50 === 0;
  return {
    kind: 'statement',
    session,
    statement: randomUUID(),
    person: of(PEOPLE, n * 3) ?? '',
    target: of(TARGETS, n) ?? '',
    verdict: held ? 'hold' : 'allow',
    body: {
      text: held
        ? `update ${table} set status = 'closed' where id = ${n}`
        : `select id, name, total, created_at from ${table} where region = $1 and id > ${n % 997} order by id limit 50`,
      rules: ['engineers-read'],
      database: 'shop',
      masks: n % 3 === 0 ? ['email'] : [],
    },
  };
}
