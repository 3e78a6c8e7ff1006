import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import { NO_PROVIDERS } from '#src/config/identity.ts';
import { startBeside } from '../fakes/beside.ts';
import { eventually, outcome, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { startIssuer, type FakeIssuer } from '../fakes/issuer.ts';
import { patchOf, scimClient, scimProvider, TOKEN, type ScimClient } from '../fakes/scim.ts';
import { Visitor } from '../fakes/visitor.ts';

describe('somebody who is deactivated by SCIM, on two gateways', () => {
  let here: TestGateway;
  let there: Awaited<ReturnType<typeof startBeside>>;
  let acme: ScimClient;
  let issuer: FakeIssuer;
  const groups = new Map<string, string>();
  before(async () => {
    issuer = await startIssuer();
    const { scim } = scimProvider('acme');
    const acmes = { ...issuer.config, domains: ['example.com'], ...(scim && { scim }) };
    const providers = new Map([['acme', acmes]]);
    here = await startGateway({ config: { identity: { ...NO_PROVIDERS, providers } } });
    there = await startBeside(here, 'there');
    acme = scimClient(`${here.running.console}/scim/acme/v2`, `acme-${TOKEN}`);
    for (const displayName of ['engineering', 'dba']) {
      const { body } = await acme('POST', '/Groups', { displayName });
      groups.set(displayName, body.id);
    }
  });
  after(async () => {
    await there?.running.stop();
    await here?.stop();
    await issuer?.stop();
  });

  const join = async (name: string, ...wanted: string[]): Promise<string> => {
    const { status, body } = await acme('POST', '/Users', { userName: `${name}@example.com` });
    assert.equal(status, 201);
    const value = [{ value: body.id }];
    for (const group of wanted) {
      const path = `/Groups/${groups.get(group)}`;
      assert.equal(
        (await acme('PATCH', path, patchOf({ op: 'add', path: 'members', value }))).status,
        204,
      );
    }
    return body.id;
  };
  const off = (id: string) =>
    acme('PATCH', `/Users/${id}`, patchOf({ op: 'Replace', path: 'active', value: 'False' }));

  const signIn = async (name: string): Promise<Visitor> => {
    issuer.person = {
      sub: `sub-${name}`,
      email: `${name}@example.com`,
      email_verified: true,
      name,
      groups: ['security', 'dba'],
    };
    const browser = new Visitor(here.running.console);
    const { location } = await browser.get('/sign-in/acme?next=/');
    await browser.back(issuer.authorize(new URL(location)));
    return browser;
  };
  const groupsOf = async (name: string) => {
    const { rows } = await here.storeSql.query(
      'select groups from countersign.person where email = $1',
      [`${name}@example.com`],
    );
    return rows[0]?.groups;
  };

  test('loses the live session on the other gateway', async () => {
    const id = await join('ada', 'engineering');
    const client = new pg.Client({
      host: '127.0.0.1',
      port: there.running.postgres.port,
      user: 'ada@example.com',
      password: await here.token('ada'),
      database: 'shop',
    });
    const ended = new Promise<any>((resolve) => client.on('error', resolve));
    await eventually('the directory of the other gateway', async () =>
      client.connect().then(() => true),
    );
    await client.query('select 1');
    assert.equal((await off(id)).status, 200);
    const error = await ended;
    assert.equal(error.code, '57P01');
    assert.match(error.message, /ada@example.com is not active any more, says acme/);
  });

  test('has what waited for an approval withdrawn, and it never runs', async () => {
    const id = await join('bob', 'engineering');
    const client = await here.open('bob');
    const answer = outcome(client.query('update orders set total = 4711 where id = 7'));
    const { id: request } = await here.pending();
    assert.equal((await off(id)).status, 200);
    assert.ok((await answer) instanceof Error);
    const vote = await here.api('approver', `/requests/${request}/decision`, {
      decision: 'approve',
      reason: 'late',
    });
    assert.equal(vote.status, 409, JSON.stringify(vote.body));
    const { body } = await here.api('approver', `/requests/${request}`);
    assert.match(body.state, /withdrawn|abandoned/);
    assert.equal(
      (await here.ranOnTarget()).some((sql) => sql.includes('4711')),
      false,
    );
  });

  test('approves nothing any more, on no gateway, with no token of before', async () => {
    const id = await join('cleo', 'engineering', 'dba');
    const token = await here.token('cleo', 'decide');
    const client = await here.open('engineer');
    const answer = outcome(client.query('update orders set total = 4712 where id = 8'));
    const { id: request } = await here.pending();
    assert.equal((await off(id)).status, 200);
    for (const { running } of [here, there]) {
      const response = await fetch(`${running.api}/requests/${request}/decision`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ decision: 'approve', reason: 'x' }),
      });
      assert.equal(response.status, 401);
    }
    assert.equal((await here.decide('approve')).status, 200);
    assert.equal((await answer).rowCount, 1);
  });

  test('who leaves a group votes no more for it, on both', async () => {
    const id = await join('dan', 'engineering', 'dba');
    const token = await here.token('dan', 'decide');
    const client = await here.open('engineer');
    const answer = outcome(client.query('update orders set total = 4713 where id = 9'));
    const { id: request } = await here.pending();
    const path = `members[value eq "${id}"]`;
    await acme('PATCH', `/Groups/${groups.get('dba')}`, patchOf({ op: 'remove', path }));
    for (const { running } of [here, there]) {
      // The other gateway hears of it a moment later.
      await eventually('who no longer sees it', async () => {
        const headers = { authorization: `Bearer ${token}` };
        const { status } = await fetch(`${running.api}/requests/${request}`, { headers });
        return status === 404 || undefined;
      });
      const response = await fetch(`${running.api}/requests/${request}/decision`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ decision: 'approve', reason: 'x' }),
      });
      assert.ok([403, 404].includes(response.status), String(response.status));
    }
    assert.equal((await here.decide('approve')).status, 200);
    assert.equal((await answer).rowCount, 1);
    await here.verify();
  });

  test('comes by a sign-in only when SCIM has told of them, and groups in tokens count for nothing', async () => {
    assert.equal(await (await signIn('eve')).isIn(), false);
    // Also somebody of the configuration.
    assert.equal(await (await signIn('oncall')).isIn(), false);
    const id = await join('eve', 'engineering');
    const browser = await signIn('eve');
    assert.equal(await browser.isIn(), true);
    assert.deepEqual(await groupsOf('eve'), ['engineering']);
    assert.equal((await off(id)).status, 200);
    assert.equal(await browser.isIn(), false);
    assert.equal(await (await signIn('eve')).isIn(), false);
    assert.equal((await acme('DELETE', `/Users/${id}`)).status, 204);
    assert.equal(await (await signIn('eve')).isIn(), false);
  });
});
