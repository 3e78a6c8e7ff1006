import { setTimeout as sleep } from 'node:timers/promises';
import type { TestPostgres } from '../fakes/postgres.ts';
import type { TestRedis } from '../fakes/redis.ts';
import { client, inDatabase, sqlOn } from '../fakes/shop.ts';
import type { Random } from './random.ts';
import type { Node, World } from './world.ts';

const WEIGHTS = {
  'gateway killed': 22,
  'sequencer killed': 16,
  'signer killed': 16,
  'witness killed': 8,
  'store killed': 14,
  'bot killed': 6,
  'target killed': 8,
  'gateway stopped': 6,
  'bot asleep': 3,
  'chat fails': 3,
  'queue fails': 6,
  'gateway asleep': 6,
  'witness asleep': 4,
  'clients cut': 5,
  'store cut': 8,
  'target cut': 5,
  'store stalled': 5,
  'target stalled': 4,
  'store sessions ended': 6,
  'target sessions ended': 3,
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
  // The gateway that gives records their places at this moment, with all that it has under way.
  'sequencer killed': async (_, world) => (await leading(world))?.gateway.signal('SIGKILL'),
  'signer killed': (_, { trail }) => trail.killSigners(),
  'witness killed': (_, { trail }) => trail.watching.signal('SIGKILL'),
  'witness asleep': async (_, { trail }, random) => {
    trail.watching.signal('SIGSTOP');
    await sleep(random.between(500, 7_000));
    trail.watching.signal('SIGCONT');
  },
  'gateway stopped': ({ gateway }) => gateway.signal('SIGTERM'),
  // Longer than its lease every second time: the other puts right what it left, and it must find that out.
  'gateway asleep': async ({ gateway }, _, random) => {
    gateway.signal('SIGSTOP');
    await sleep(random.between(500, 8_000));
    gateway.signal('SIGCONT');
  },
  'bot killed': (_, { bot }) => bot.signal('SIGKILL'),
  'bot asleep': async (_, { bot }, random) => {
    bot.signal('SIGSTOP');
    await sleep(random.between(500, 5_000));
    bot.signal('SIGCONT');
  },
  'chat fails': (_, { slack }) => {
    slack.fault('chat.postMessage', { kind: 'lost' });
    slack.fault('chat.update', { kind: '429', seconds: 1 });
  },
  // On PostgreSQL the queue is in the store, so that its tables are what can be lost.
  'queue fails': (_, { base, redis }, random) =>
    redis ? redisFails(redis, random) : emptied(base.store),
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

/** What the sequencer's lock is in pg_locks. */
const SEQUENCER_LOCK = 0x7472_6565;

/** Undefined while none leads. */
async function leading({ base, nodes }: World): Promise<Node | undefined> {
  const sql = await client(inDatabase(base.store.url, 'countersign'));
  try {
    const { rows } = await sql.query<{ port: number }>(
      `select client_port as port from pg_stat_activity join pg_locks using (pid)
       where locktype = 'advisory' and granted and objid = ${SEQUENCER_LOCK}`,
    );
    return nodes.find(({ store }) => rows.some(({ port }) => store.owns(port)));
  } finally {
    await sql.end();
  }
}

async function again(server: TestPostgres): Promise<void> {
  server.kill();
  await sleep(100);
  await server.restart();
}

async function redisFails(redis: TestRedis, random: Random): Promise<void> {
  if (random.next() < 0.5) return void (await redis.command('flushall'));
  await redis.kill();
  await sleep(random.between(100, 3_000));
  await redis.start();
}

async function emptied(store: TestPostgres): Promise<void> {
  await sqlOn(inDatabase(store.url, 'countersign'), 'truncate bullmq.job cascade');
}

async function endSessions(server: TestPostgres): Promise<void> {
  await sqlOn(
    server.url,
    `select pg_terminate_backend(pid) from pg_stat_activity
      where pid <> pg_backend_pid() and backend_type = 'client backend'`,
  );
}
