import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually, outcome, startGateway, type TestGateway, type Who } from '../fakes/gateway.ts';

let gateway: TestGateway;
before(async () => {
  gateway = await startGateway({
    config: {
      audit: {
        witnesses: [],
        quorum: 0,
        anchors: [],
        workingHours: { from: '00:00', to: '00:01', days: [1], timeZone: 'UTC' },
        export: [],
        heartbeatMs: 60_000,
        serve: true,
      },
    },
  });
  const engineer = await gateway.open();
  await engineer.query('select 1');
  await outcome(engineer.query('delete from orders'));
  const held = outcome(engineer.query("update orders set status = 'refunded' where id = 1"));
  await gateway.decide('approve');
  await held;
});
after(() => gateway.stop());

const ask = (who: Who, query = '') => gateway.api(who, `/summaries?${query}`);

test('a summary tells what was held, by whom it was approved, and what was refused; each line leads to what it counts', async () => {
  const body = await eventually('the whole of it', async () => {
    const answer = await ask('oncall');
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    const { behind, held } = answer.body;
    return behind === 0 && held.decisions[0]?.value === 'approved' ? answer.body : undefined;
  });
  assert.deepEqual(
    body.refused.map(({ person, target, count }: any) => [person, target, count]),
    [['engineer@example.com', 'shop', 1]],
  );
  assert.equal(body.held.count, 1);
  assert.equal(body.held.approvers[0].value, 'approver@example.com');
  assert.ok(body.held.times.medianMs > 0);
  assert.ok(body.unusual.some(({ kind }: any) => kind === 'off-hours'));
  for (const line of [
    ...body.refused,
    ...body.held.approvers,
    ...body.held.decisions,
    ...body.people,
  ]) {
    const link = new URL(line.link);
    assert.equal(link.origin, gateway.running.console);
    assert.equal(link.searchParams.get('q'), line.query);
    const { body: found } = await gateway.api(
      'oncall',
      `/records?q=${encodeURIComponent(line.query)}`,
    );
    assert.equal(found.records.length, line.count, line.query);
  }
});

test('everybody else gets a summary of their own acts, and each summary is a look', async () => {
  const { body: own } = await ask('engineer');
  assert.deepEqual(
    own.people.map(({ value }: any) => value),
    ['engineer@example.com'],
  );
  const { status, body: none } = await ask('stranger', 'target=sh*');
  assert.equal(status, 200);
  assert.equal(none.statements, 0);
  assert.deepEqual(
    [none.people, none.refused, none.held.approvers, none.unusual],
    [[], [], [], []],
  );
  const looks = (await gateway.records('look'))
    .map(({ person, json }) => ({ person, ...json.body }))
    .filter(({ looked }) => looked === 'summary');
  assert.ok(
    looks.some(({ person, target }) => person === 'stranger@example.com' && target === 'sh*'),
  );
  assert.equal((await fetch(`${gateway.running.api}/summaries`)).status, 401);
});

test('a time that cannot be read, is upside down or too long is refused with words', async () => {
  for (const query of [
    'from=never',
    'from=1h&to=2h',
    'from=400d',
    'to=2026-02-31',
    'who=x',
    'target=',
  ]) {
    const { status } = await ask('oncall', query);
    assert.equal(status, 422, query);
  }
  assert.equal((await ask('oncall', 'from=2h&to=1h')).status, 200);
  assert.match((await ask('oncall', 'from=400d')).body.detail, /92 days at most/);
});
