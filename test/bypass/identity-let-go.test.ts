import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { signedIn } from '../fakes/browser.ts';
import { eventually, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { hold, post, vote } from './held.ts';
import { overtaken } from './overtaken.ts';
import { HOUR } from './sessions-world.ts';

suite('an approver who is let go', () => {
  let gateway: TestGateway;
  before(async () => {
    const schema = `create table ledger (id bigint primary key, note text); insert into ledger values (1, 'a');`;
    const rules = `@id("test-two") @hold("dba") @quorum("2") @message("two of them")
      forbid (principal, action == Action::"write", resource == Table::"shop/public/ledger");`;
    const people = new Map(
      Object.entries({
        engineer: ['engineering'],
        security: ['engineering', 'security'],
        approver: ['engineering', 'dba'],
        approver2: ['engineering', 'dba'],
        oncall: ['engineering', 'dba'],
      }).map(([name, groups]) => [`${name}@example.com`, { name, groups }]),
    );
    gateway = await startGateway({ rules, schema, config: { people } });
  });
  after(() => gateway?.stop());

  const deactivate = async (who: string) => {
    const browser = await signedIn(
      gateway.running.console,
      await gateway.token('security', 'decide'),
    );
    const path = `/people/${who}@example.com`;
    await browser.get(path);
    return async () => assert.equal((await browser.post(path, { act: 'deactivate' })).status, 303);
  };

  test('and who asked: nothing of theirs runs, although its gateway has not heard of it', async () => {
    const one = await hold(gateway, 'engineer', 'ledger');
    // Without a notice.
    await gateway.storeSql.query(
      `insert into countersign.person (email, name, state, valid_until)
       values ('engineer@example.com', 'engineer', 'deactivated', clock_timestamp())`,
    );
    await vote(gateway, 'approver', one.id);
    assert.equal((await vote(gateway, 'approver2', one.id)).status, 200);
    await eventually('its end', async () => {
      const { rows } = await gateway.storeSql.query(
        'select state from countersign.request where id = $1',
        [one.id],
      );
      return rows[0].state === 'abandoned';
    });
    assert.equal(await one.ran(), false);
    one.client.end();
    await gateway.storeSql.query(
      `delete from countersign.person where email = 'engineer@example.com'`,
    );
  });

  test('between the two votes of a quorum takes the first one along, and votes no more in that moment', async () => {
    const one = await hold(gateway, 'engineer', 'ledger');
    assert.equal((await vote(gateway, 'approver', one.id)).body.state, 'pending');
    await (
      await deactivate('approver')
    )();
    const second = await vote(gateway, 'approver2', one.id);
    assert.deepEqual([second.status, second.body.state], [200, 'pending']);
    // Their token as well, so that nothing is issued meanwhile.
    await gateway.token('oncall', 'decide');
    const late = await overtaken(gateway, await deactivate('oncall'), () =>
      vote(gateway, 'oncall', one.id),
    );
    assert.ok([403, 404].includes(late.status), JSON.stringify(late.body));
    const { rows } = await gateway.storeSql.query(
      'select state from countersign.request where id = $1',
      [one.id],
    );
    assert.deepEqual(rows, [{ state: 'pending' }]);
    assert.equal(await one.ran(), false);
    one.client.end();
  });

  test('counts no more when the gateway of the second vote has not heard of it', async () => {
    const one = await hold(gateway, 'engineer', 'ledger');
    await gateway.storeSql.query(
      `update countersign.person set state = 'active' where email = 'oncall@example.com'`,
    );
    await gateway.storeSql.query(`notify countersign_person, 'oncall@example.com'`);
    const { token } = await gateway.running.tokens.issue(
      'oncall@example.com',
      ['decide', 'read'],
      'x',
      HOUR,
    );
    const headers = { authorization: `Bearer ${token}` };
    await eventually(
      'who is known again',
      async () => {
        const { status } = await fetch(`${gateway.running.api}/requests/${one.id}`, { headers });
        return status === 200;
      },
      40,
    );
    assert.equal(await post(gateway, one.id, headers), 200);
    // Without a notice.
    await gateway.storeSql.query(
      `update countersign.person set state = 'deactivated' where email = 'oncall@example.com'`,
    );
    assert.equal((await vote(gateway, 'approver2', one.id)).body.state, 'pending');
    assert.equal(await one.ran(), false);
    one.client.end();
  });
});
