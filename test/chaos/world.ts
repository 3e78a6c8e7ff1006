import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '#src/config/config.ts';
import { asJson } from '../fakes/config-json.ts';
import { startGateway, type TestGateway } from '../fakes/gateway.ts';
import { freePort } from '../fakes/postgres.ts';
import type { TestRedis } from '../fakes/redis.ts';
import { actorOf, slackConfig, startSlack } from '../fakes/slack-kit.ts';
import type { FakeSlack } from '../fakes/slack.ts';
import { keepLedger } from '../conformance/ledger.ts';
import { Proxy } from './proxy.ts';
import { Supervised } from './supervised.ts';
import { startTrail, type Trail } from './trail.ts';

export const ACTS = 40_000;
const CHILD = new URL('child.ts', import.meta.url);

const RULES = `
@id("connect")
permit (principal in Group::"engineering", action == Action::"connect", resource == Target::"shop");
@id("work")
permit (principal in Group::"engineering", action in [Action::"read", Action::"write", Action::"delete"], resource in Target::"shop");
@id("columns")
permit (principal in Group::"engineering", action in [Action::"reveal", Action::"filter", Action::"join", Action::"assign"], resource in Target::"shop");
@id("acts-wait") @hold("dba") @expires("6s") @message("a DBA decides")
forbid (principal, action in [Action::"write", Action::"delete"], resource == Table::"shop/public/acts");
`;

const SCHEMA = `
  create table notes (text text not null);
  create table acts (id int primary key, n int not null default 0);
  insert into acts select n from generate_series(1, ${ACTS}) n;
`;

/** One gateway, and the wires that lead to it and away from it. */
export type Node = {
  readonly gateway: Supervised;
  readonly api: string;
  readonly clients: Proxy;
  readonly store: Proxy;
  readonly target: Proxy;
};

/** Two gateways and a bot on one store, queue, chat and target, each behind wires of its own. */
export type World = {
  /** The servers and the tokens; its own gateway does not run any more. */
  readonly base: TestGateway;
  readonly nodes: readonly Node[];
  readonly bot: Supervised;
  readonly trail: Trail;
  readonly slack: FakeSlack;
  readonly actor: ReturnType<typeof actorOf>;
  readonly redis: TestRedis | undefined;
  readonly log: string;
  stopProcesses(): Promise<void>;
  stop(): Promise<void>;
};

export async function startWorld(queue: 'postgres' | 'redis'): Promise<World> {
  const slack = await startSlack();
  for (const who of ['approver', 'approver2'])
    slack.users.set(`U${who.toUpperCase()}`, { email: `${who}@example.com` });
  const port = await freePort();
  const base = await startGateway({
    onlyRules: RULES,
    schema: SCHEMA,
    queue,
    slack: slackConfig('http', slack, port),
  });
  await keepLedger(base);
  // With the values of parameters: an update of one row is told from the next by them alone.
  await base.targetSql.query(`alter role gateway set log_error_verbosity = 'default'`);
  await base.token('engineer');
  for (const who of ['approver', 'approver2']) await base.token(who, 'decide');
  await base.running.stop();
  const dir = await mkdtemp(join(tmpdir(), 'countersign-chaos-'));
  const log = join(dir, 'processes.log');
  const file = join(dir, 'bot.json');
  await writeFile(file, await asJson({ ...base.config, name: 'three' }), { mode: 0o600 });
  const trail = await startTrail(dir, log);
  const config = { ...base.config, audit: trail.audit };
  const nodes = [
    await startNode(config, 'one', dir, log),
    await startNode(config, 'two', dir, log),
  ];
  const bot = new Supervised(CHILD, [file, 'bot'], log);
  const stopProcesses = async (): Promise<void> => {
    await Promise.all([bot, ...nodes.map(({ gateway }) => gateway)].map((one) => one.stop()));
  };
  return {
    base: { ...base, config },
    nodes,
    bot,
    trail,
    slack,
    actor: actorOf('http', slack, () => `http://127.0.0.1:${port}`),
    redis: base.redis,
    log,
    stopProcesses,
    async stop() {
      await stopProcesses();
      await trail.watching.stop();
      for (const { clients, store, target } of nodes)
        for (const wire of [clients, store, target]) wire.close();
      await base.stop();
      await slack.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function startNode(config: Config, name: string, dir: string, log: string): Promise<Node> {
  const shop = config.targets.get('shop');
  if (!shop || config.store.postgres === 'embedded') throw new Error('not what was set up');
  const url = new URL(config.store.postgres.url);
  const [console, postgres] = [await freePort(), await freePort()];
  const store = await Proxy.start(Number(url.port));
  const target = await Proxy.start(shop.port);
  url.port = String(store.port);
  const own: Config = {
    ...config,
    name,
    listen: {
      console: { host: '127.0.0.1', port: console },
      postgres: { host: '127.0.0.1', port: postgres },
    },
    publicUrl: `http://127.0.0.1:${console}`,
    store: { postgres: { url: url.href } },
    targets: new Map([['shop', { ...shop, port: target.port }]]),
  };
  const file = join(dir, `${name}.json`);
  await writeFile(file, await asJson(own), { mode: 0o600 });
  const gateway = new Supervised(CHILD, [file, 'gateway'], log);
  return {
    gateway,
    api: `${own.publicUrl}/api/v1`,
    clients: await Proxy.start(postgres),
    store,
    target,
  };
}
