import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually, outcome } from '../fakes/gateway.ts';
import {
  CHANNEL,
  recordsIn,
  type ReviewingWorld,
  startReviewingWorld,
  userOf,
  wordsOf,
} from '../fakes/reviewing-world.ts';

let world: ReviewingWorld;
before(async () => {
  world = await startReviewingWorld();
  const many = Array.from({ length: 12 }, (_, i) => `select ${i} as n`);
  await world.ran('engineer', ...many, 'delete from orders');
  const held = world.ran('engineer', "update orders set status = 'refunded' where id = 1");
  await world.gateway.decide('approve');
  await held;
  await world.searched();
});
after(() => world.stop());

const looks = async (looked: string) =>
  (await world.gateway.records('look'))
    .map(({ person, json }) => ({ person, ...json.body }))
    .filter((body) => body.looked === looked);

describe('/audit', () => {
  test('lists what matches, each with a link, and a button brings the next page', async () => {
    const shown = await world.audit('oncall', 'person:engineer kind:statement target:shop');
    const first = recordsIn(shown);
    assert.equal(first.length, 10);
    assert.match(wordsOf(shown), /engineer@example\.com on shop/);
    assert.doesNotMatch(wordsOf(shown), /delete from|refunded|select/);
    const next = await world.click('oncall', 'audit-next', shown);
    const second = recordsIn(next);
    assert.ok(second.length >= 4, wordsOf(next));
    assert.equal(new Set([...first, ...second]).size, first.length + second.length);
    const [id] = second;
    const { status } = await world.gateway.api('oncall', `/records/${id}`);
    assert.equal(status, 200);
    assert.doesNotMatch(wordsOf(next), /audit-next/);
    const [look] = await looks('search');
    assert.equal(look.person, 'oncall@example.com');
    assert.equal(look.via, 'slack');
    assert.deepEqual(look.filters, ['person:engineer', 'kind:statement', 'target:shop']);
  });

  test('what is compared arrives as it was typed', async () => {
    const shown = await world.audit('oncall', 'verdict:held waited:&gt;1ms');
    assert.equal(recordsIn(shown).length, 1);
    assert.match(wordsOf(shown), /approved/);
  });

  test('what cannot be read is marked', async () => {
    const shown = await world.audit('oncall', 'person:engineer verdct:held');
    assert.match(
      wordsOf(shown),
      /person:engineer verdct:held\\n {16}\^{11}".*There is no verdct: to search by; did you mean verdict:/,
    );
    const summary = await world.audit('oncall', 'summary last 24x');
    assert.match(wordsOf(summary), /summary last 24x\\n {13}\^\^\^/);
  });

  test('sums up what happened, with numbers that lead to the console and pictures', async () => {
    const shown = await world.audit('oncall', 'summary last 24h target:shop');
    const said = wordsOf(shown);
    const { body: api } = await world.gateway.api('oncall', '/summaries?target=shop');
    assert.ok(api.statements >= 14);
    assert.ok(said.includes(`"${api.statements} statements"`), said);
    assert.match(said, /1 refused/);
    assert.match(said, /1 held/);
    assert.match(said, /approver@example\.com: /);
    const images = shown.blocks.filter(({ type }) => type === 'image');
    assert.ok(images.length >= 2, said);
    assert.match(JSON.stringify(images), /1\d allowed, 1 held, 1 refused in all/);
    const counts = /(\d+) allowed, 1 held, 1 refused in all/.exec(JSON.stringify(images)) ?? [];
    assert.equal(Number(counts[1]) + 2, api.statements);
    const [, link = ''] = /"url":"([^"]*verdict%3Adeny[^"]*)"/.exec(said) ?? [];
    const q = new URL(link).searchParams.get('q') ?? '';
    const { body } = await world.gateway.api('oncall', `/records?q=${encodeURIComponent(q)}`);
    assert.equal(body.records.length, 1);
    const [look] = await looks('summary');
    assert.equal(look.via, 'slack');
    assert.equal(look.target, 'shop');
  });

  test('help says how, and nothing refuses what it does', async () => {
    assert.match(wordsOf(await world.audit('stranger', 'help')), /\/audit incident start INC-42/);
    assert.match(wordsOf(await world.audit('stranger', '')), /\/audit summary/);
    assert.deepEqual(world.slack.refusals, []);
  });
});

test('a link to a record, request or session shows when and how it was decided', async () => {
  const { publicUrl } = world.gateway.config;
  const { body } = await world.gateway.api('oncall', '/records?q=verdict:held');
  const [record] = body.records;
  const urls = [
    `${publicUrl}/records/${record.id}`,
    `${publicUrl}/requests/${record.request}`,
    `${publicUrl}/sessions/${record.session}?t=1#x`,
  ];
  const shared = await world.actor.share(userOf('engineer'), CHANNEL, urls);
  const unfurls = await world.slack.until(() => shared.unfurls());
  const said = urls.map((url) => JSON.stringify(unfurls[url]));
  assert.match(said[0] ?? '', new RegExp(`Record ${record.id}.*hold`));
  assert.match(said[1] ?? '', new RegExp(`Request ${record.request}.*done`));
  assert.match(said[2] ?? '', new RegExp(`Session ${record.session}.*(open|ended)`));
  assert.doesNotMatch(said.join(), /engineer|shop|refunded|approver/);
});

test('an incident is collected in a thread, edited with its counts, and ends with a timeline', async () => {
  const { slack } = world;
  const started = await world.audit(
    'oncall',
    'incident start INC-42 target:sh* odd <!here> deletes',
  );
  assert.match(started.text, /INC-42 is open/);
  const root = await slack.until(() =>
    slack.messages.find(({ text }) => text.startsWith('Incident INC-42')),
  );
  assert.equal(root.channel, CHANNEL);
  assert.match(wordsOf(await world.audit('security', 'incident list')), /INC-42.*is open/);
  assert.match(
    (await world.audit('security', 'incident start inc-42 target:shop')).text,
    /inc-42 is open already/,
  );
  await world.ran('engineer', 'select 4711', 'delete from customers');
  const held = world.ran('engineer', "update orders set status = 'x' where id = 2");
  await world.gateway.decide('deny', 'approver', 'not now');
  await held;
  const counted = (text: string) => slack.until(() => wordsOf(root).includes(text));
  await counted('statements refused: 1');
  await counted('denials: 1');
  assert.match((await world.audit('approver', 'incident stop INC-42')).text, /is stopped/);
  const timeline = await slack.until(() =>
    slack.messages.find(({ text }) => text === 'Timeline of INC-42'),
  );
  await slack.until(() => wordsOf(root).includes('was stopped'));
  const thread = slack.messages.filter((one) => one.thread === root.ts);
  assert.ok(thread.includes(timeline));
  const entries = thread.filter((one) => one !== timeline);
  const told = entries.flatMap(recordsIn);
  assert.equal(new Set(told).size, told.length, 'no entry is told twice');
  const said = entries.map(wordsOf).join('\n');
  for (const words of ['session begins', 'allowed: select', 'refused: delete', 'held: update'])
    assert.ok(said.includes(words), `${words} in ${said}`);
  assert.match(said, /approver@example\.com on shop: denies/);
  const all = `${said}${wordsOf(root)}${wordsOf(timeline)}`;
  assert.doesNotMatch(all, /4711|customers where|status = |not now/);
  assert.match(wordsOf(timeline), /records\/export\?q=target%3Ash\*\+after%3A[^"]*proofs=true/);
  assert.doesNotMatch(wordsOf(root), /"type":"mrkdwn"[^}]*!here/);
  const [start] = await looks('incident-started');
  const [stop] = await looks('incident-stopped');
  assert.equal(start.person, 'oncall@example.com');
  assert.equal(stop.person, 'approver@example.com');
  assert.deepEqual(slack.refusals, []);
  // What happens afterwards is not told.
  const earlier = slack.messages.length;
  await outcome(world.ran('engineer', 'select 4712'));
  await eventually('another round', async () => {
    const { rows } = await world.gateway.storeSql.query('select done_at from countersign.incident');
    return rows[0]?.done_at ?? undefined;
  });
  assert.equal(slack.messages.length, earlier);
});
