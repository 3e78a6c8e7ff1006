import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { writeConfig } from '#cli/demo/config.ts';
import { secretIn } from '#cli/demo/files.ts';
import { emailOf, placesIn, portsFrom } from '#cli/demo/plan.ts';
import { startShop } from '#cli/demo/shop.ts';
import { serve } from '#gateway/main.ts';
import { readConfig } from '#src/config/read.ts';
import { withClient } from '#src/store/embedded-database.ts';
import { removeCluster } from '#src/store/embedded.ts';
import { startStore } from '#src/store/embedded-store.ts';
import type { Place } from './pgbench.ts';

export type Stack = {
  /** The target, as the gateway itself reaches it. */
  readonly direct: Place;
  /** The same database through the gateway, as an engineer. */
  readonly gateway: Place;
  readonly postgres: string;
  stop(): Promise<void>;
};

const SCALE_ROWS = 100_000;
export const BULK_ROWS = 1_000_000;
export const BULK_BYTES = 100;

/** The demo's two clusters and the gateway between them, in a folder of their own, with the bench's tables. */
export async function startStack(portBase: number, say: (text: string) => void): Promise<Stack> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-bench-'));
  await using started = new AsyncDisposableStack();
  started.defer(() => rm(folder, { recursive: true, force: true }));
  // As root the databases run as another user, who must pass through.
  await chmod(folder, 0o711);
  const places = placesIn(folder);
  for (const name of ['store', 'shop'])
    started.defer(() => removeCluster({ dir: places.home, name, log: () => undefined }));
  const ports = portsFrom(portBase);
  await mkdir(places.secrets, { recursive: true, mode: 0o700 });
  const [gateway, analyser, password] = [
    await secretIn(places.secrets, 'gateway'),
    await secretIn(places.secrets, 'analyser'),
    await secretIn(places.secrets, 'store'),
  ];
  const dir = places.home;
  const store = await startStore({ dir, port: ports.store, log: say, password });
  started.defer(() => store.stop());
  const shop = await startShop({ dir, port: ports.shop, log: say, gateway, analyser });
  started.defer(() => shop.stop());
  say('making the tables of the bench');
  const postgres = await makeTables(shop.url.replace(/\/postgres$/, '/shop'));
  await writeConfig(places, ports);
  const log = pino({ level: 'warn' }, pino.destination({ dest: join(folder, 'log') }));
  const running = await serve(await readConfig(places.config), { log });
  started.defer(() => running.stop());
  const email = emailOf('engineer');
  const { token } = await running.tokens.issue(email, ['connect'], 'bench', 3_600_000);
  const host = '127.0.0.1';
  const parts = started.move();
  return {
    direct: { host, port: ports.shop, user: 'gateway', password: gateway, database: 'shop' },
    gateway: { ...running.postgres, user: email, password: token, database: 'shop' },
    postgres,
    stop: () => parts.disposeAsync(),
  };
}

/** `bench.accounts` is pgbench's table at scale 1; `bench.bulk` has rows of 100 bytes. */
async function makeTables(url: string): Promise<string> {
  return withClient(url, async (client) => {
    await client.query(`
      create schema bench;
      create unlogged table bench.accounts (aid int primary key, bid int, abalance int, filler char(84));
      insert into bench.accounts select i, 1, 0, '' from generate_series(1, ${SCALE_ROWS}) i;
      create unlogged table bench.bulk (line text not null);
      insert into bench.bulk select rpad(i::text, ${BULK_BYTES - 1}, 'x') from generate_series(1, ${BULK_ROWS}) i;
      grant usage on schema bench to gateway, analyser;
      grant select on all tables in schema bench to gateway;`);
    await client.query('vacuum (analyze, freeze) bench.accounts, bench.bulk');
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
