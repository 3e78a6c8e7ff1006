import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually, startGateway, type TestGateway } from '../fakes/gateway.ts';

let gateway: TestGateway;
before(async () => {
  gateway = await startGateway({
    config: {
      audit: {
        heartbeatMs: 10_000,
        witnesses: [],
        quorum: 0,
        anchors: [],
        export: [],
        serve: true,
      },
    },
  });
});
after(() => gateway.stop());

const search = async (q: string, who = 'oncall') =>
  (await gateway.api(who, `/records?q=${encodeURIComponent(q)}`)).body;

test('a statement is found by what it did, who let it run, how it ended and what it brought back', async () => {
  const client = await gateway.open('engineer');
  await client.query('select name from customers order by id limit 2');
  const held = client.query("update orders set status = 'refunded' where id = 1");
  await gateway.decide('approve');
  await held;
  await client.end();
  const found = await eventually(
    'the statement with its outcome',
    async () =>
      (await search('effect:update table:orders verdict:held decided-by:approver rows:1'))
        .records?.[0],
    30,
  );
  assert.equal(found.person, 'engineer@example.com');
  assert.deepEqual(found.verdicts, ['approved', 'hold']);
  assert.equal(found.decision, 'approved');
  const { rows } = await gateway.targetSql.query('select name from customers order by id limit 1');
  const word = `"${rows[0].name}" kind:statement`;
  await eventually('what came back', async () => (await search(word)).records?.[0], 30);
  assert.equal((await search(word, 'engineer')).records.length, 1);
  assert.deepEqual((await search(word, 'stranger')).records, []);
  const { body } = await gateway.api('security', '/records/facets?q=kind:statement+table:orders');
  assert.deepEqual(body.facets.person, [{ value: 'engineer@example.com', count: 1 }]);
  const histogram = await gateway.api('security', '/records/histogram?q=kind:statement+after:1h');
  const counts: { count: number }[] = histogram.body.histogram.bins;
  assert.equal(
    counts.reduce((sum, { count }) => sum + count, 0),
    histogram.body.total,
  );
  const looks = await gateway.records('look');
  assert.ok(
    looks.some(
      ({ person, json }) => person === 'stranger@example.com' && json.body.looked === 'search',
    ),
  );
});
