import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { tellIncidents, type IncidentParts } from '#bot/reviewing/incidents.ts';
import type { Post } from '#bot/model.ts';
import type { Platform } from '#bot/platform.ts';
import { startSay } from '#bot/say.ts';
import { startIncident, stopIncident, type Incident } from '#src/audit/incidents.ts';
import type { Entry } from '#src/audit/log.ts';
import { eventually } from '../../fakes/gateway.ts';
import { SearchWorld, statement } from '../audit/search-world.ts';

type Message = { key: string; thread: string | undefined; post: Post };

let world: SearchWorld;
let messages: Message[] = [];
let away = false;
let say: ReturnType<typeof startSay>;
let count = 0;

const platform: Platform = {
  name: 'slack',
  fits: () => true,
  post(channel, post, { key, thread }) {
    if (away) return Promise.reject(new Error('no route'));
    messages.push({ key, thread, post });
    return Promise.resolve({ channel, message: `${messages.length}` });
  },
  update({ message }, post) {
    const one = messages[Number(message) - 1];
    if (one) one.post = post;
    return Promise.resolve(one !== undefined);
  },
  find: () => Promise.resolve(undefined),
  direct: () => Promise.reject(new Error('nobody is told directly')),
  whisper: () => Promise.reject(new Error('nobody is told alone')),
};

before(async () => {
  world = await SearchWorld.start();
  say = startSay({
    db: world.store.db,
    platforms: [platform],
    people: {
      actor: () => Promise.reject(new Error('nobody acts')),
      accounts: () => Promise.resolve([]),
    } as never,
    channels: () => new Map(),
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    everyMs: 10,
  });
});
after(async () => {
  await say.close();
  await world[Symbol.asyncDispose]();
});
beforeEach(() => {
  messages = [];
  away = false;
});

const partsOf = (more: Partial<IncidentParts> = {}): IncidentParts => ({
  db: world.store.db,
  say,
  publicUrl: 'https://cs.example',
  config: { chat: { channels: new Map([['ops', { slack: 'C1' }]]) } },
  ...more,
});
const log = () => ({ db: world.store.db, audit: world.log });
const start = async (target = 'prod-*'): Promise<Incident> =>
  startIncident(
    log(),
    { name: `INC-${(count += 1)}`, target, note: '', platform: 'slack', channel: 'C1' },
    'oncall@example.com',
  );
const on = (target: string, text = 'select secret', more: Partial<Entry> = {}): Entry =>
  ({ ...statement('ada', text), target, ...more }) as Entry;

/** Until all that was written is in the tree. */
const treed = async (): Promise<void> => {
  const { rows } = await world.store.db.pool.query(
    'select count(*)::int as n from countersign.record',
  );
  await eventually('the tree', async () => {
    const { rows: tree } = await world.store.db.pool.query(
      'select count(*)::int as n from countersign.tree_entry',
    );
    return tree[0].n >= rows[0].n || undefined;
  });
};
const delivered = async (): Promise<void> => {
  await eventually('the messages', async () => {
    const { rows } = await world.store.db.pool.query(
      'select from countersign.chat_message where shown < version and given_up is null',
    );
    return rows.length === 0 || undefined;
  });
};
/** A round of a bot, and what it said. */
const round = async (parts = partsOf()): Promise<void> => {
  await treed();
  await tellIncidents(parts);
  if (!away) await delivered();
};
const stop = async ({ name }: Incident): Promise<void> => {
  await stopIncident(log(), name, { by: 'oncall@example.com', via: 'slack' });
};
const entriesOf = (incident: Incident): string[] =>
  messages
    .filter(({ key }) => /:\d+$/.test(key) && key.startsWith(`incident:${incident.id}`))
    .flatMap(({ post }) =>
      Array.from(JSON.stringify(post).matchAll(/records\/([0-9a-f-]{36})/g), ([, id = '']) => id),
    );
const rootOf = ({ id }: Incident): string =>
  JSON.stringify(messages.find(({ key }) => key === `incident:${id}`)?.post);

test('what happens on its targets is told once, and nothing else', async () => {
  await world.write(on('prod-eu'));
  await treed();
  const incident = await start();
  const ids = await world.write(on('prod-eu'), on('prod-us', 'delete from x'));
  await world.write(on('payroll'), on('prod'));
  await world.write(on('prod-eu', 'x', { body: { class: ['countersign/estimate'] } }));
  await round();
  await round();
  assert.deepEqual(entriesOf(incident), ids);
  assert.match(rootOf(incident), /statements allowed: 2"/);
  assert.match(rootOf(incident), /statements of the gateway itself: 1/);
  assert.doesNotMatch(rootOf(incident), /in the console alone/);
  assert.doesNotMatch(JSON.stringify(messages), /secret|payroll|delete from/);
  const [root, entries] = messages;
  assert.equal(root?.thread, undefined);
  assert.equal(entries?.thread, '1');
  await stop(incident);
  await round();
});

test('several bots, and one that dies in between, lose and double nothing', async () => {
  const incident = await start();
  await round();
  const ids: string[] = [];
  for (let batch = 0; batch < 4; batch += 1) {
    // oxlint-disable no-await-in-loop -- one after the other
    ids.push(...(await world.write(on('prod-eu'), on('prod-eu'))));
    await treed();
    const dying = partsOf({
      say: {
        async say(said, sql) {
          await say.say(said, sql);
          throw new Error('the bot is gone');
        },
      },
    });
    await assert.rejects(tellIncidents(dying), /gone/);
    await Promise.all([1, 2, 3].map(() => tellIncidents(partsOf())));
    await delivered();
    // oxlint-enable no-await-in-loop
  }
  assert.deepEqual(entriesOf(incident), ids);
  await stop(incident);
  await round();
});

test('while chat is away nothing is lost, and the thread stands under its message', async () => {
  away = true;
  const incident = await start();
  const ids = await world.write(on('prod-eu'));
  await round();
  await round();
  assert.equal(messages.length, 0);
  away = false;
  await world.store.db.pool.query(
    "update countersign.chat_message set next_at = clock_timestamp() where key like 'incident:%'",
  );
  await delivered();
  await round();
  assert.deepEqual(entriesOf(incident), ids);
  assert.ok(messages.slice(1).every(({ thread }) => thread === '1'));
  await stop(incident);
  await round();
});

test('a flood is counted: what is notable is told, and how much is in the console alone', async () => {
  const incident = await start();
  await round();
  await world.write(
    ...Array.from({ length: 40 }, () => on('prod-eu')),
    on('prod-eu', 'drop', { verdict: 'deny' }),
  );
  await round(partsOf({ most: 17 }));
  assert.equal(entriesOf(incident).length, 15);
  assert.match(JSON.stringify(messages.at(-1)?.post), /and 26 more, in the console alone/);
  assert.match(JSON.stringify(messages.at(-1)?.post), /refused/);
  await world.write(...Array.from({ length: 5 }, () => on('prod-eu')));
  await round(partsOf({ most: 17 }));
  await world.write(on('prod-eu'));
  await round(partsOf({ most: 17 }));
  assert.equal(entriesOf(incident).length, 17);
  assert.match(rootOf(incident), /statements allowed: 46/);
  assert.match(rootOf(incident), /30 of these are in the console alone/);
  await stop(incident);
  await round();
});

test('a channel that is not in the configuration any more is told nothing more', async () => {
  const incident = await start();
  await round();
  await world.write(on('prod-eu'));
  await round(partsOf({ config: { chat: { channels: new Map() } } }));
  await stop(incident);
  await round(partsOf({ config: { chat: { channels: new Map([['x', { teams: 'C1' }]]) } } }));
  assert.deepEqual(entriesOf(incident), []);
  assert.equal(messages.length, 1);
  const { rows } = await world.store.db.pool.query(
    'select told, untold, counts, done_at is not null as done from countersign.incident where id = $1',
    [incident.id],
  );
  assert.deepEqual(rows[0], {
    told: 0,
    untold: 1,
    counts: { 'statements allowed': 1 },
    done: true,
  });
});

test('ends where it was stopped, with a timeline, and is told no more', async () => {
  const incident = await start();
  await round();
  const [id] = await world.write(on('prod-eu', 'x', { verdict: 'hold' }));
  await stop(incident);
  await world.write(on('prod-eu'));
  await round();
  await round();
  assert.deepEqual(entriesOf(incident), [id]);
  assert.match(rootOf(incident), /was stopped/);
  const timelines = messages.filter(({ post }) => post.title?.startsWith('Timeline'));
  assert.equal(timelines.length, 1);
  assert.match(JSON.stringify(timelines), new RegExp(String(id)));
  const said = messages.length;
  await world.write(on('prod-eu'));
  await round();
  await sleep(50);
  assert.equal(messages.length, said);
  assert.equal(
    await stopIncident(log(), incident.name, { by: 'b@c.d', via: 'slack' }),
    undefined,
    'it is not open any more',
  );
});
