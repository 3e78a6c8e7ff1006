import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startCollector } from '../fakes/collector.ts';
import { freePort } from '../fakes/postgres.ts';
import type { FakeSlack } from '../fakes/slack.ts';
import { actorOf, slackConfig, startSlack } from '../fakes/slack-kit.ts';
import { eventually, outcome, startGateway, type TestGateway } from '../fakes/gateway.ts';

type Collector = Awaited<ReturnType<typeof startCollector>>;
let collector: Collector;
let gateway: TestGateway;
let slack: FakeSlack;
let actor: ReturnType<typeof actorOf>;

before(async () => {
  collector = await startCollector();
  slack = await startSlack();
  for (const who of ['engineer', 'approver'])
    slack.users.set(`U${who.toUpperCase()}`, { email: `${who}@example.com` });
  const port = await freePort();
  actor = actorOf('http', slack, () => `http://127.0.0.1:${port}`);
  gateway = await startGateway({
    slack: slackConfig('http', slack, port),
    config: { telemetry: { otlp: collector.url, sample: 1 } },
  });
});
after(async () => {
  await gateway?.stop();
  await slack?.close();
  await collector?.close();
});

async function scrape(): Promise<Map<string, number>> {
  const answer = await fetch(`${gateway.running.console}/metrics`);
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
  const lines = (await answer.text()).split('\n').filter((line) => line && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]),
  );
}

/** Series of ours with a value, as text. */
async function ours(...names: string[]): Promise<Record<string, number | undefined>> {
  const all = await scrape();
  return Object.fromEntries(names.map((name) => [name, all.get(`countersign_${name}`)]));
}

// Values that nobody may find in a metric or a span: in the statement, in the result, in a comment, in a name.
const LITERALS = [
  '4471-secret',
  '123-45-',
  '41111111',
  'example.org',
  'refund-note',
  'why-so',
  'xoxb',
];
const TOO_MUCH = [...LITERALS, '@example.com', 'select', 'update', 'orders', 'Lisbon'];

test('numbers and traces tell what happened, and nothing of what was in it', async () => {
  const client = await gateway.open('engineer');
  await client.query(`set countersign.reason = 'why-so'`);
  await client.query('select ssn, card, email from customers limit 5 /* 4471-secret */');
  await outcome(client.query(`delete from orders`));
  await outcome(client.query(`select 1 / (id - id) from customers where name = '4471-secret'`));
  await outcome(client.query(`select (name || '4471-secret')::int from customers`));
  const held = client.query(`update orders set status = 'refund-note' where id = 7`);
  const request = await gateway.pending();
  assert.deepEqual(await ours('holds_open{target="shop"}', 'sessions_open{target="shop"}'), {
    'holds_open{target="shop"}': 1,
    'sessions_open{target="shop"}': 1,
  });
  const card = await eventually('the stored card', async () => {
    const { rowCount } = await gateway.storeSql.query(
      'select from countersign.post where request = $1 and ts is not null',
      [request.id],
    );
    return rowCount === 1 ? slack.messages[0] : undefined;
  });
  assert.equal((await actor.click('UAPPROVER', 'approve', card)).status, 200);
  await held;
  await eventually('the card', async () => {
    const pending = await ours('outbox_pending');
    return pending['outbox_pending'] === 0 || undefined;
  });

  const counted = await ours(
    'statements_total{target="shop",verdict="deny"}',
    'statements_total{target="shop",verdict="hold"}',
    'masked_cells_total{target="shop"}',
    'errors_total{target="shop",kind="statement"}',
    'decision_seconds_count{target="shop",decision="approved"}',
    'holds_open{target="shop"}',
  );
  assert.deepEqual(counted, {
    'statements_total{target="shop",verdict="deny"}': 1,
    'statements_total{target="shop",verdict="hold"}': 1,
    'masked_cells_total{target="shop"}': 15,
    'errors_total{target="shop",kind="statement"}': 1,
    'decision_seconds_count{target="shop",decision="approved"}': 1,
    'holds_open{target="shop"}': 0,
  });
  const all = await scrape();
  assert.ok((all.get('countersign_append_seconds_count') ?? 0) >= 7);
  assert.ok((all.get('countersign_append_batch_size_count') ?? 0) > 0);
  assert.ok((all.get('process_resident_memory_bytes') ?? 0) > 0);
  assert.ok(all.has('nodejs_eventloop_lag_p99_seconds'));
  assert.ok([...all.keys()].some((name) => /^countersign_policy_info\{version="\w+"\}/.test(name)));

  await client.end();
  await gateway.restart();
  const spans = collector.spans();
  const hold = spans.find((span) => span.name === 'hold');
  const trace = spans.filter((span) => span.traceId === hold?.traceId);
  assert.deepEqual(
    new Set(trace.map((span) => span.name)),
    new Set(['statement', 'hold', 'run', 'decide', 'card']),
  );
  const root = trace.find((span) => span.name === 'statement');
  assert.equal(hold?.parentSpanId, root?.spanId);
  for (const name of ['decide', 'card'])
    assert.equal(trace.find((span) => span.name === name)?.parentSpanId, hold?.spanId);
  const facts = trace.flatMap(({ attributes }) => attributes.map(({ value }) => value.stringValue));
  assert.ok(facts.includes(request.id));
  assert.ok(facts.includes('slack'));
  assert.ok(spans.filter((span) => span.name === 'run').length >= 3);

  const told = [...all.keys()].join('\n') + collector.bodies.join('\n');
  for (const text of TOO_MUCH) assert.doesNotMatch(told, new RegExp(text, 'i'), text);
});

test('a session to a target that does not exist makes no series of its own', async () => {
  await outcome(gateway.open('engineer', { database: 'made-up-by-a-client' }));
  const all = await scrape();
  assert.doesNotMatch([...all.keys()].join('\n'), /made-up/);
});

test('the gateway says what it cannot do, and names no target to strangers', async () => {
  const well = await fetch(`${gateway.running.console}/readyz`);
  assert.deepEqual([well.status, await well.json()], [200, { status: 'ready' }]);
  await gateway.targetSql.query("alter role analyser password 'another'");
  await gateway.targetSql.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where usename = 'analyser'`,
  );
  const warned = await eventually('the warning', async () => {
    const answer = await fetch(`${gateway.running.console}/readyz`);
    assert.equal(answer.status, 200);
    const { warnings } = (await answer.json()) as { warnings?: string[] };
    return warnings;
  });
  assert.match(warned.join(), /1 of 1 targets cannot be asked/);
  assert.doesNotMatch(warned.join(), /shop/);
  await gateway.targetSql.query("alter role analyser password 'analyser'");
});
