import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { writeConfig } from '#cli/demo/config.ts';
import { secretIn } from '#cli/demo/files.ts';
import { type Places, placesIn, type Ports } from '#cli/demo/plan.ts';
import { startShop } from '#cli/demo/shop.ts';
import { withClient } from '#src/store/embedded-database.ts';
import { type Cluster, removeCluster, startCluster } from '#src/store/embedded.ts';
import { startStore } from '#src/store/embedded-store.ts';
import { fdatasyncMs } from './disk.ts';
import { type GatewayOptions, type Middle, startGateway, startPgbouncer } from './middle.ts';
import type { Place } from './pgbench.ts';
import type { Pgbouncer } from './programs.ts';

/**
 * How a client reaches the target: straight; through pgbouncer; through a gateway whose log is faked (wire and verdict
 * alone); through a gateway with everything on.
 */
export const WAYS = ['direct', 'pgbouncer', 'wire', 'gateway'] as const;
export type WayName = (typeof WAYS)[number];
export type Way = { readonly name: WayName; readonly place: Place; readonly pid?: number };

export type Stack = {
  /** Without pgbouncer where it is not installed. */
  readonly ways: readonly Way[];
  /** Everything that takes part in a transaction; children of these are not listed. */
  readonly pids: readonly number[];
  readonly postgres: string;
  /** Median time that the disk under the store takes to make 8 kB durable. */
  readonly fdatasyncMs: number;
  /** One more gateway with everything on, which has served nothing yet. */
  freshGateway(): Promise<Middle>;
  stop(): Promise<void>;
};

export type StackOptions = {
  readonly portBase: number;
  readonly pgbouncer: Pgbouncer | undefined;
  /** Connections that the target must take beside the bench's own. */
  readonly connections: number;
  /** Without the rows of the large results. */
  readonly small?: boolean;
  readonly say: (text: string) => void;
};

const SCALE_ROWS = 100_000;
export const BULK_ROWS = 1_000_000;
export const BULK_BYTES = 100;
/** Clients of the largest load on four ways, sessions that a pool keeps, the analysers, and some room. */
const OWN_CONNECTIONS = 200;

/** The demo's two clusters and what stands between them and a client, in a folder of its own, with the bench's tables. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { portBase, pgbouncer, say } = options;
  const folder = await mkdtemp(join(tmpdir(), 'countersign-bench-'));
  await using started = new AsyncDisposableStack();
  started.defer(() => rm(folder, { recursive: true, force: true }));
  // As root the databases run as another user, who must pass through.
  await chmod(folder, 0o711);
  const places = placesIn(folder);
  const dir = places.home;
  for (const name of ['store', 'shop'])
    started.defer(() => removeCluster({ dir, name, log: () => undefined }));
  await mkdir(places.secrets, { recursive: true, mode: 0o700 });
  const [store, shop] = [portBase, portBase + 1];
  const password = await secretIn(places.secrets, 'store');
  const log = started.adopt(await startStore({ dir, port: store, log: say, password }), (cluster) =>
    cluster.stop(),
  );
  const target = started.adopt(await startTarget(places, shop, options), (it) => it.stop());
  say('making the tables of the bench');
  const postgres = await makeTables(
    target.url.replace(/\/postgres$/, '/shop'),
    options.small === true ? 1 : BULK_ROWS,
  );
  const direct: Place = {
    host: '127.0.0.1',
    port: shop,
    user: 'gateway',
    password: await secretIn(places.secrets, 'gateway'),
    database: 'shop',
  };
  let next = portBase + 2;
  const gateway = async (name: string, auditLog: GatewayOptions['auditLog']): Promise<Middle> => {
    const config = join(places.home, `${name}.yaml`);
    await writeConfig({ ...places, config }, { store, shop, console: next++, postgres: next++ });
    await writeFile(join(places.policies, 'bench.cedar'), MASK_RULES);
    const logFile = join(folder, `${name}.log`);
    return startGateway({ config, name, logFile, auditLog });
  };
  const middles: [WayName, Middle][] = [];
  const add = (name: WayName, middle: Middle): void =>
    void middles.push([name, started.adopt(middle, (it) => it.stop())]);
  if (pgbouncer)
    add('pgbouncer', await startPgbouncer(pgbouncer, { folder, port: next++, target: direct }));
  add('wire', await gateway('wire', 'faked'));
  add('gateway', await gateway('gateway', 'real'));
  const syncMs = await fdatasyncMs(dirname(log.logFile));
  const parts = started.move();
  let stopped: Promise<void> | undefined;
  return {
    ways: [
      { name: 'direct', place: direct },
      ...middles.map(([name, { place, pid }]) => ({ name, place, pid })),
    ],
    pids: [log.pid, target.pid, ...middles.map(([, { pid }]) => pid)],
    postgres,
    fdatasyncMs: syncMs,
    freshGateway: () => gateway('idle', 'real'),
    stop: () => (stopped ??= parts.disposeAsync()),
  };
}

/** The demo's shop, started again with room for many connections. */
async function startTarget(
  { home: dir, secrets }: Places,
  port: Ports['shop'],
  { connections, say }: StackOptions,
): Promise<Cluster> {
  const [gateway, analyser] = [
    await secretIn(secrets, 'gateway'),
    await secretIn(secrets, 'analyser'),
  ];
  const filled = await startShop({ dir, port, log: say, gateway, analyser });
  await filled.stop();
  const settings = { max_connections: String(connections + OWN_CONNECTIONS) };
  return startCluster({ dir, name: 'shop', port, log: say, settings });
}

/** Columns of `bench.masked`, with what they hold in row `i` and the mask on them. */
const MASKED = [
  ['name', 'text', `'Name ' || i`, 'fixed:hidden'],
  ['ssn', 'text', `'123-45-' || lpad((i % 10000)::text, 4, '0')`, 'null'],
  ['card', 'text', `'411111' || lpad(i::text, 10, '0')`, 'last4'],
  ['email', 'text', `'person' || i || '@example.org'`, 'email'],
  ['phone', 'text', `'+1202' || lpad(i::text, 7, '0')`, 'hash'],
  ['city', 'text', `(array['Lisbon', 'Porto', 'Braga'])[1 + i % 3]`, 'hash:city'],
  ['account', 'bigint', '4000000000 + i', 'last4'],
  ['branch', 'int', '1000 + i % 500', 'hash'],
] as const;
export const MASKED_COLUMNS = MASKED.length;
const MASK_RULES = MASKED.map(
  ([name, , , mask]) =>
    `@id("bench-${name}") @mask("${mask}") forbid (principal, action == Action::"reveal", resource == Column::"shop/bench/masked/${name}");`,
).join('\n');

/** `bench.accounts` is pgbench's table at scale 1; `bench.bulk` has rows of 100 bytes, `bench.masked` only masked columns. */
async function makeTables(url: string, bulkRows: number): Promise<string> {
  return withClient(url, async (client) => {
    await client.query(`
      create schema bench;
      create unlogged table bench.accounts (aid int primary key, bid int, abalance int, filler char(84));
      insert into bench.accounts select i, 1, 0, '' from generate_series(1, ${SCALE_ROWS}) i;
      create unlogged table bench.bulk (line text not null);
      insert into bench.bulk select rpad(i::text, ${BULK_BYTES - 1}, 'x') from generate_series(1, ${bulkRows}) i;
      create unlogged table bench.masked (${MASKED.map(([name, type]) => `${name} ${type}`).join(', ')});
      insert into bench.masked select ${MASKED.map(([, , value]) => value).join(', ')} from generate_series(1, ${bulkRows}) i;
      grant usage on schema bench to gateway, analyser;
      grant select on all tables in schema bench to gateway;`);
    await client.query('vacuum (analyze, freeze) bench.accounts, bench.bulk, bench.masked');
    const { rows } = await client.query<{ version: string }>(
      `select current_setting('server_version') as version`,
    );
    return rows[0]?.version ?? '';
  });
}

/** `select-only` of pgbench on the bench's own table. */
export const SELECT_SCRIPT = `\\set aid random(1, ${SCALE_ROWS})
select abalance from bench.accounts where aid = :aid;
`;
