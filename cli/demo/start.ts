import { chmod, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Config } from '#src/config/config.ts';
import { openLogger } from '#src/config/logger.ts';
import type { Tokens } from '#src/identity/token.ts';
import { removeCluster } from '#src/store/embedded.ts';
import { startStore } from '#src/store/embedded-store.ts';
import { explain } from '#src/store/start-error.ts';
import { logTo } from '../log.ts';
import { writeConfig } from './config.ts';
import { type Facts, writeFacts } from './facts.ts';
import { secretIn } from './files.ts';
import { type Places, placesIn, type Ports } from './plan.ts';
import { startShop } from './shop.ts';

/** The gateway as the demo needs it; `#gateway/main.ts` gives it. */
export type Gateway = {
  readonly console: string;
  readonly api: string;
  readonly postgres: { readonly host: string; readonly port: number };
  /** Of the embedded provider. */
  readonly issuer?: string;
  readonly tokens: Tokens;
  /** Drains, withdraws what is held, and ends. */
  stop(): Promise<void>;
};
export type ServeGateway = (
  config: Config,
  options: { log: Logger; takeOver: boolean },
) => Promise<Gateway>;

export type DemoOptions = {
  /** `.countersign` of the clone. */
  readonly folder: string;
  readonly ports: Ports;
  readonly fresh: boolean;
  readonly readConfig: (path: string) => Promise<Config>;
  readonly serve: ServeGateway;
  readonly say: (text: string) => void;
  /** Ends a start that is under way, too: what has been started is stopped again. */
  readonly signal: AbortSignal;
};

export type Demo = { readonly facts: Facts; readonly places: Places; stop(): Promise<void> };

/** The gateway gets this long; the databases need a second more. */
const DRAIN_MS = 8_500;

/** Starts both clusters, then the gateway between them. Throws `StartError`, or what the gateway throws. */
export async function startDemo(options: DemoOptions): Promise<Demo> {
  const { say, ports, signal } = options;
  const places = placesIn(options.folder);
  await using started = new AsyncDisposableStack();
  await makeHome(options.folder, places);
  if (options.fresh) await forget(places, say);
  const [gateway, analyser, password] = [
    await secretIn(places.secrets, 'gateway'),
    await secretIn(places.secrets, 'analyser'),
    await secretIn(places.secrets, 'store'),
  ];

  say('starting the databases');
  const dir = places.home;
  const clusters = await Promise.allSettled([
    startStore({ dir, port: ports.store, log: say, password }),
    startShop({ dir, port: ports.shop, log: say, gateway, analyser }),
  ]);
  for (const cluster of clusters)
    if (cluster.status === 'fulfilled') started.defer(() => cluster.value.stop());
  const [store, shop] = clusters;
  if (store.status === 'rejected') throw store.reason;
  if (shop.status === 'rejected') throw shop.reason;
  signal.throwIfAborted();

  say('starting the gateway');
  await writeConfig(places, ports);
  const log = openLogger('info', logTo(places.log));
  const running = await options.serve(await options.readConfig(places.config), {
    log,
    // The store was just taken over from whatever a killed run left behind.
    takeOver: true,
  });
  started.defer(() => withinDrainTime(running.stop(), say));
  signal.throwIfAborted();

  const where = {
    console: running.console,
    api: running.api,
    postgres: { ...running.postgres, database: 'shop' },
    issuer: running.issuer ?? '',
  };
  const facts = await writeFacts(places.facts, where, running.tokens);
  const parts = started.move();
  return { facts, places, stop: () => parts.disposeAsync() };
}

async function makeHome(folder: string, places: Places): Promise<void> {
  try {
    await mkdir(places.home, { recursive: true });
    await mkdir(places.secrets, { recursive: true, mode: 0o700 });
    // As root the databases run as another user, who must pass through; every file is 0600.
    await chmod(folder, 0o711);
  } catch (error) {
    throw explain(error, `write ${folder}`);
  }
}

/** The clusters first: one that is in use refuses, and nothing is lost. */
async function forget(places: Places, say: (text: string) => void): Promise<void> {
  say('forgetting the data of earlier runs');
  for (const name of ['store', 'shop']) await removeCluster({ dir: places.home, name, log: say });
  for (const path of [
    places.facts,
    places.config,
    places.policies,
    places.originalRules,
    places.log,
    join(places.home, '.countersign'),
  ])
    await rm(path, { recursive: true, force: true });
}

/** The databases are stopped next, which ends whatever the gateway could not. */
async function withinDrainTime(
  stopping: Promise<void>,
  say: (text: string) => void,
): Promise<void> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), DRAIN_MS);
  const aborted = new Promise<void>((resolve) => {
    late.signal.addEventListener('abort', () => {
      say('the gateway takes too long to stop; ending it');
      resolve();
    });
  });
  try {
    await Promise.race([stopping, aborted]);
  } finally {
    clearTimeout(timer);
  }
}
