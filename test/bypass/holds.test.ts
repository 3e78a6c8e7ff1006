import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startGateway, type TestGateway } from '../fakes/gateway.ts';

const HELD = 'security@example.com';

describe('legal holds over the API', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startGateway();
  });
  after(() => gateway.stop());

  const place = (who: string, body: object) => gateway.api(who, '/holds', body);
  const release = (who: string, name: string) =>
    gateway.api(who, `/holds/${name}/release`, { reason: 'over' });

  test('are placed, seen and released by security alone; others do not learn of them', async () => {
    const body = { name: 'case-1', keeps: { target: 'shop' }, reason: 'a case' };
    for (const who of ['engineer', 'approver', 'oncall', 'stranger']) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      assert.equal((await place(who, body)).status, 404, who);
      // oxlint-disable-next-line no-await-in-loop
      assert.equal((await gateway.api(who, '/holds')).status, 404, who);
      // oxlint-disable-next-line no-await-in-loop
      assert.equal((await release(who, 'case-1')).status, 404, who);
    }
    const placed = await place('security', body);
    assert.equal(placed.status, 200, JSON.stringify(placed.body));
    const { body: listed } = await gateway.api('security', '/holds');
    assert.deepEqual(
      listed.holds.map(({ name, keeps }: { name: string; keeps: object }) => [name, keeps]),
      [['case-1', { target: 'shop' }]],
    );
    assert.equal((await place('security', body)).status, 409, 'the name is taken');
    assert.equal((await release('security', 'case-1')).status, 200);
    assert.equal((await release('security', 'case-1')).status, 409);
  });

  test('need a token that may decide', async () => {
    const answer = await fetch(`${gateway.running.api}/holds`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${await gateway.token('security')}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ name: 'x', keeps: { target: 'shop' }, reason: 'y' }),
    });
    assert.equal(answer.status, 403);
  });

  test('on one’s own records are released by somebody else', async () => {
    await place('security', {
      name: 'case-2',
      keeps: { person: HELD.toUpperCase() },
      reason: 'a case',
    });
    const { status, body } = await release('security', 'case-2');
    assert.deepEqual(
      [status, /somebody else/.test(body.detail)],
      [409, true],
      JSON.stringify(body),
    );
  });

  test('on nothing, or with a reason that names the person, are refused', async () => {
    for (const [keeps, reason, status] of [
      [{}, 'a case', 422],
      [{ person: HELD }, `of ${HELD}`, 409],
      [{ person: HELD }, '', 422],
      [{ before: 'x' }, 'a case', 422],
    ] as const)
      // oxlint-disable-next-line no-await-in-loop
      assert.equal(
        (await place('security', { name: 'case-3', keeps, reason })).status,
        status,
        JSON.stringify([keeps, reason]),
      );
  });

  test('leave records, which name nobody but who placed them', async () => {
    const records = (await gateway.records('legal-hold')).map(({ person, json }) => [
      person,
      json.body.event,
      json.body.name,
    ]);
    assert.deepEqual(records, [
      [HELD, 'place', 'case-1'],
      [HELD, 'release', 'case-1'],
      [HELD, 'place', 'case-2'],
    ]);
    const looks = (await gateway.records('look')).map(({ json }) => json.body.looked);
    assert.ok(looks.includes('legal holds'));
    await gateway.verify();
  });

  test('cannot be changed in the store, only released, once', async () => {
    for (const sql of [
      `update countersign.legal_hold set person = 'other@example.com'`,
      `update countersign.legal_hold set until = now()`,
      `update countersign.legal_hold set released_at = null where released_at is not null`,
      `update countersign.legal_hold set released_by = 'other@example.com' where released_at is not null`,
    ])
      // oxlint-disable-next-line no-await-in-loop
      await assert.rejects(gateway.storeSql.query(sql), /can only be released, once/, sql);
  });
});
