import { setTimeout as sleep } from 'node:timers/promises';
import type { TestPostgres } from '../fakes/postgres.ts';
import type { Random } from './random.ts';
import type { Node, World } from './world.ts';

const WEIGHTS = {
  'gateway killed': 20,
  'gateway stopped': 6,
  'gateway asleep': 8,
  'store killed': 8,
  'target killed': 8,
  'clients cut': 12,
  'store cut': 12,
  'target cut': 12,
  'store stalled': 6,
  'target stalled': 6,
  'store sessions ended': 6,
  'target sessions ended': 6,
} as const;
export type Fault = keyof typeof WEIGHTS;

/** A server that is down comes up again before the next fault; everything else goes on at once. */
export async function oneFault(world: World, random: Random): Promise<Fault> {
  const fault = random.weighted(WEIGHTS);
  const node = world.nodes[random.between(0, world.nodes.length - 1)];
  if (!node) throw new Error('no gateway');
  await FAULTS[fault](node, world, random);
  return fault;
}

type Strike = (node: Node, world: World, random: Random) => Promise<void> | void;

const FAULTS: Readonly<Record<Fault, Strike>> = {
  'gateway killed': ({ gateway }) => gateway.signal('SIGKILL'),
  'gateway stopped': ({ gateway }) => gateway.signal('SIGTERM'),
  // Longer than its lease every second time: the other puts right what it left, and it must find that out.
  'gateway asleep': async ({ gateway }, _, random) => {
    gateway.signal('SIGSTOP');
    await sleep(random.between(500, 8_000));
    gateway.signal('SIGCONT');
  },
  'store killed': (_, { base }) => again(base.store),
  'target killed': (_, { base }) => again(base.target),
  'clients cut': ({ clients }) => clients.cut(),
  'store cut': ({ store }) => store.cut(),
  'target cut': ({ target }) => target.cut(),
  'store stalled': ({ store }, _, random) => store.freeze(random.between(200, 5_000)),
  'target stalled': ({ target }, _, random) => target.freeze(random.between(200, 5_000)),
  'store sessions ended': (_, { base }) => endSessions(base.store),
  'target sessions ended': (_, { base }) => endSessions(base.target),
};

async function again(server: TestPostgres): Promise<void> {
  server.kill();
  await sleep(100);
  await server.restart();
}

async function endSessions(server: TestPostgres): Promise<void> {
  const { default: pg } = await import('pg');
  const client = new pg.Client(server.url);
  client.on('error', () => undefined);
  await client.connect();
  await client.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
      where pid <> pg_backend_pid() and backend_type = 'client backend'`,
  );
  await client.end();
}
