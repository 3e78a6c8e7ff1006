import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '#src/config/config.ts';
import { asJson } from '../fakes/config-json.ts';
import { startGateway, type TestGateway } from '../fakes/gateway.ts';
import { freePort } from '../fakes/postgres.ts';
import { keepLedger } from '../conformance/ledger.ts';
import { Supervised } from './gateway.ts';
import { Proxy } from './proxy.ts';

export const ACTS = 40_000;

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
  readonly clients: Proxy;
  readonly store: Proxy;
  readonly target: Proxy;
};

/** Two gateways on one store, queue and target, each behind wires of its own. */
export type World = {
  /** The servers and the tokens; its own gateway does not run any more. */
  readonly base: TestGateway;
  readonly nodes: readonly Node[];
  readonly log: string;
  stopGateways(): Promise<void>;
  stop(): Promise<void>;
};

export async function startWorld(): Promise<World> {
  const base = await startGateway({ onlyRules: RULES, schema: SCHEMA });
  await keepLedger(base);
  // With the values of parameters: an update of one row is told from the next by them alone.
  await base.targetSql.query(`alter role gateway set log_error_verbosity = 'default'`);
  for (const who of ['engineer', 'oncall']) await base.token(who);
  for (const who of ['approver', 'approver2']) await base.token(who, 'decide');
  await base.running.stop();
  const dir = await mkdtemp(join(tmpdir(), 'countersign-chaos-'));
  const log = join(dir, 'gateways.log');
  const nodes = [
    await startNode(base.config, 'one', dir, log),
    await startNode(base.config, 'two', dir, log),
  ];
  const stopGateways = async (): Promise<void> => {
    await Promise.all(nodes.map(({ gateway }) => gateway.stop()));
  };
  return {
    base,
    nodes,
    log,
    stopGateways,
    async stop() {
      await stopGateways();
      for (const { clients, store, target } of nodes)
        for (const wire of [clients, store, target]) wire.close();
      await base.stop();
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
  const gateway = new Supervised(name, `${own.publicUrl}/api/v1`, file, log);
  return { gateway, clients: await Proxy.start(postgres), store, target };
}
