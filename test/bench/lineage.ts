import { readFile } from 'node:fs/promises';
import { type Analyser, openAnalyser } from '#gateway/postgres/analyser.ts';
import { Looks } from '#gateway/postgres/look.ts';
import type { TargetConfig } from '#src/config/config.ts';
import { loadPolicy } from '#src/policy/load.ts';
import type { Policy } from '#src/policy/policy.ts';
import type { NamedThings } from '#src/statement/sql/analysis.ts';
import { startPostgres } from '../fakes/postgres.ts';
import { makeShop } from '../fakes/shop.ts';

/** Of one statement, a join of two tables with hidden columns: CPU time of the gateway's thread, and what a person waits, with the target. */
type Lineage = {
  /** Nothing is known: a new analyser, a target that has just started a session for it. */
  readonly coldMs: number;
  readonly coldCpuMs: number;
  /** The words are new, the tables are not. */
  readonly missMs: number;
  readonly missCpuMs: number;
  /** The same words again: analysis, look and verdict. */
  readonly hitUs: number;
};

const named: NamedThings = { prepared: new Map(), cursors: new Map() };
const settings = { searchPath: 'public', user: 'gateway' };
const join = (words: string): string =>
  `select c.name, c.email, c.card as ${words}, o.status, sum(o.total) as total from customers c join orders o on o.customer_id = c.id where c.city = 'Lisbon' and o.status <> 'x' group by 1, 2, 3, 4 order by 5 desc limit 10`;
const COLD = 8;
const MISSES = 400;
const HITS = 20_000;
const ROUNDS = 5;

/** The least of several rounds, because others use the machine as well. */
async function measureLineage(): Promise<Lineage> {
  const server = await startPostgres();
  try {
    await makeShop(server);
    const config = configOf(server.host, server.port);
    const rules = await readFile(new URL('../../cli/demo/shop.cedar', import.meta.url), 'utf8');
    const cold: Cost[] = [];
    for (let round = 0; round < COLD; round += 1)
      // oxlint-disable-next-line no-await-in-loop -- one after the other, or they would measure each other
      cold.push(await withAnalyser(config, (analyser) => one(analyser, newJudge(rules), 'first')));
    return await withAnalyser(config, async (analyser) => {
      const judge = newJudge(rules);
      const misses: Cost[] = [];
      for (let index = 0; index < MISSES; index += 1)
        // oxlint-disable-next-line no-await-in-loop
        misses.push(await one(analyser, judge, `n${index}`));
      return {
        coldMs: least(cold, 'ms'),
        coldCpuMs: least(cold, 'cpuMs'),
        missMs: least(misses, 'ms'),
        missCpuMs: least(misses, 'cpuMs'),
        hitUs: await hit(analyser, judge),
      };
    });
  } finally {
    await server.stop();
  }
}

type Cost = { readonly ms: number; readonly cpuMs: number };
type JudgeText = (analyser: Analyser, text: string) => Promise<void>;

const least = (costs: readonly Cost[], key: keyof Cost): number =>
  Math.min(...costs.map((cost) => cost[key]));

async function one(analyser: Analyser, judge: JudgeText, words: string): Promise<Cost> {
  const text = join(words);
  const cpu = process.threadCpuUsage();
  const start = performance.now();
  await judge(analyser, text);
  const ms = performance.now() - start;
  const { user, system } = process.threadCpuUsage(cpu);
  return { ms, cpuMs: (user + system) / 1000 };
}

async function hit(analyser: Analyser, judge: JudgeText): Promise<number> {
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round += 1) {
    const cpu = process.threadCpuUsage();
    for (let index = 0; index < HITS; index += 1)
      // oxlint-disable-next-line no-await-in-loop
      await judge(analyser, join('n1'));
    const { user, system } = process.threadCpuUsage(cpu);
    best = Math.min(best, (user + system) / HITS);
  }
  return best;
}

/** What is done with a statement between its message and the gate's record, as a session does it. */
function newJudge(rules: string): JudgeText {
  const policy = policyOf(rules);
  const target = { name: 'shop', environment: 'production', timeZone: 'UTC' };
  const looks = new Looks(() => policy, {
    session: 's',
    person: 'jane@example.com',
    target,
    database: 'shop',
    role: 'gateway',
  });
  const subject = {
    person: { email: 'jane@example.com', name: 'Jane', groups: ['engineering'] },
    roles: [],
  };
  const moment = { settings: 'public', named: '' };
  return async (analyser, text) => {
    const analysis = await analyser.analyse(text, settings, named, {});
    const bytes = Buffer.from(text);
    const { effects, refused } = looks.at(analysis, { bytes }, moment);
    if (refused) throw new Error(refused.message);
    const verdict = policy.judge(subject, target, effects, { inTransaction: false, now: 0 });
    if (verdict.kind !== 'allow') throw new Error(`the verdict is ${verdict.kind}`);
  };
}

function policyOf(text: string): Policy {
  const loaded = loadPolicy([{ name: 'shop.cedar', text }], {
    groups: ['engineering', 'dba', 'security'],
    channels: ['db-approvals'],
    targets: ['shop'],
    stepUp: true,
  });
  if (!loaded.ok) throw new Error(loaded.problems[0]?.message);
  return loaded.policy;
}

async function withAnalyser<T>(
  config: TargetConfig,
  work: (analyser: Analyser) => Promise<T>,
): Promise<T> {
  let closing = false;
  const analyser = openAnalyser(config, 'shop', {
    onError(error) {
      // A look at the definitions that was under way ends with its connection.
      if (!closing) throw error;
    },
  });
  try {
    await analyser.ready();
    return await work(analyser);
  } finally {
    closing = true;
    await analyser.close();
  }
}

function configOf(host: string, port: number): TargetConfig {
  return {
    name: 'shop',
    protocol: 'postgres',
    environment: 'production',
    timeZone: 'UTC',
    host,
    port,
    user: 'gateway',
    password: () => Promise.resolve('gateway'),
    database: 'shop',
    analyser: { user: 'analyser', password: () => Promise.resolve('analyser') },
    tls: { mode: 'disable' },
    hold: { inTransactionMs: 1000, resendMs: 1000 },
    record: { rows: 10, bytes: 1000 },
  };
}

process.stdout.write(`${JSON.stringify(await measureLineage(), undefined, 2)}\n`);
