import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { NO_PROVIDERS } from '#src/config/identity.ts';
import { eventually, outcome, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { patchOf, scimClient, scimProvider, TOKEN, type ScimClient } from '../fakes/scim.ts';

describe('providers that go too far', () => {
  let gateway: TestGateway;
  let at: string;
  let acme: ScimClient;
  let beta: ScimClient;
  before(async () => {
    const providers = new Map([
      ['acme', scimProvider('acme', { domains: ['example.com'] })],
      ['beta', scimProvider('beta', { domains: ['beta.org', 'shared.org'] })],
      ['plain', { ...scimProvider('plain', { domains: ['plain.org'] }), scim: undefined as never }],
    ]);
    const machine = {
      name: 'Deploy',
      groups: [],
      issuer: 'http://127.0.0.1:1',
      audience: 'x',
      claims: new Map([['sub', ['x']]]),
    };
    const machines = new Map([['deploy@example.com', machine]]);
    gateway = await startGateway({
      config: { identity: { ...NO_PROVIDERS, providers, machines } },
    });
    at = `${gateway.running.console}/scim`;
    acme = scimClient(`${at}/acme/v2`, `acme-${TOKEN}`);
    beta = scimClient(`${at}/beta/v2`, `beta-${TOKEN}`);
  });
  after(() => gateway.stop());

  const rows = async (sql: string): Promise<any[]> => (await gateway.storeSql.query(sql)).rows;

  test('the token of another provider, a person’s token and no token open nothing', async () => {
    const person = await gateway.token('security', 'decide');
    const attempts: readonly (readonly [string, string])[] = [
      ['acme', `beta-${TOKEN}`],
      ['acme', person],
      ['acme', `acme-${TOKEN}x`],
      ['acme', ''],
      ['plain', `plain-${TOKEN}`],
      ['nobody', `acme-${TOKEN}`],
      ['__proto__', `acme-${TOKEN}`],
    ];
    const answers = new Set<string>();
    for (const [provider, token] of attempts) {
      const answer = await scimClient(`${at}/${provider}/v2`, token)('GET', '/Users');
      assert.equal(answer.status, 401, `${provider} ${token.slice(0, 8)}`);
      assert.equal(answer.headers.get('www-authenticate'), 'Bearer');
      answers.add(JSON.stringify(answer.body));
    }
    assert.equal(answers.size, 1);
    const refused = await eventually('a record of each', async () => {
      const told = (await gateway.records('sign-in')).map(({ json }) => json.body);
      const ours = told.filter(({ via }) => via === 'scim');
      return ours.length === attempts.length ? ours : undefined;
    });
    assert.equal(JSON.stringify(refused).includes(TOKEN), false);
  });

  test('a SCIM token opens neither the API nor a session', async () => {
    const headers = { authorization: `Bearer acme-${TOKEN}` };
    assert.equal((await fetch(`${gateway.running.api}/requests`, { headers })).status, 401);
    const opened = await outcome(gateway.open('engineer', { password: `acme-${TOKEN}` }));
    assert.equal(opened.code, '28P01');
  });

  test('who guesses waits, and the provider itself does not', async () => {
    const guess = scimClient(`${at}/beta/v2`, 'x'.repeat(40));
    assert.equal((await beta('GET', '/Users')).status, 200);
    const statuses: number[] = [];
    for (let i = 0; i < 30; i++) statuses.push((await guess('GET', '/Users')).status);
    assert.equal(statuses.at(-1), 429);
    assert.ok(statuses.filter((status) => status === 401).length <= 10);
    assert.equal((await beta('GET', '/Users')).status, 200);
    assert.equal((await acme('GET', '/Users')).status, 200);
  });

  test('a body larger than allowed is refused, and a stranger’s for the token that is missing', async () => {
    const big = JSON.stringify({ userName: 'x'.repeat(3 * 1024 * 1024) });
    assert.equal((await beta('POST', '/Users', big)).status, 413);
    const stranger = scimClient(`${at}/beta/v2`, 'x');
    assert.ok([401, 429].includes((await stranger('POST', '/Users', big)).status));
  });

  test('nobody speaks for a foreign domain, a machine, or another provider’s person', async () => {
    for (const userName of [
      'eve@example.com',
      'eve@beta.org@example.com',
      'eve@BETA.org.example.com',
      'ev\u0435@beta.org',
      'eve@beta.org\u0000',
      'deploy@example.com',
      'deploy@beta.org ,engineer@example.com',
    ]) {
      const answer = await beta('POST', '/Users', { userName, active: true });
      assert.ok(answer.status >= 400 && answer.status < 500, `${userName}: ${answer.status}`);
    }
    const mine = await beta('POST', '/Users', { userName: 'eve@beta.org', active: true });
    assert.equal(mine.status, 201);
    const path = 'emails[type eq "work"].value';
    const value = 'engineer@example.com';
    for (const operation of [
      { op: 'add', path, value },
      { op: 'replace', path: 'userName', value },
      { op: 'replace', value: { emails: [{ value, primary: true }] } },
    ]) {
      const answer = await beta('PATCH', `/Users/${mine.body.id}`, patchOf(operation));
      assert.equal(answer.status, 400);
    }
    assert.deepEqual(await rows(`select email from countersign.person order by 1`), [
      { email: 'eve@beta.org' },
    ]);
    const refused = await eventually('a record of each refusal', async () => {
      const told = (await gateway.records('person')).filter(({ verdict }) => verdict === 'deny');
      return told.length >= 8 ? told.map(({ json }) => json.body) : undefined;
    });
    for (const { action, provider } of refused)
      assert.deepEqual([action, provider], ['scim-refused', 'beta']);
  });
});

describe('people of a provider that speaks SCIM', () => {
  let gateway: TestGateway;
  let acme: ScimClient;
  let beta: ScimClient;
  before(async () => {
    const groups = new Map([
      ['Engineers', 'engineering'],
      ['DBAs', 'dba'],
    ]);
    const providers = new Map([
      ['acme', scimProvider('acme', { domains: ['example.com', 'shared.org'], groups })],
      ['beta', scimProvider('beta', { domains: ['beta.org', 'shared.org'] })],
    ]);
    gateway = await startGateway({ config: { identity: { ...NO_PROVIDERS, providers } } });
    const at = `${gateway.running.console}/scim`;
    acme = scimClient(`${at}/acme/v2`, `acme-${TOKEN}`);
    beta = scimClient(`${at}/beta/v2`, `beta-${TOKEN}`);
  });
  after(() => gateway.stop());

  const make = async (name: string, client = acme, domain = 'example.com'): Promise<string> => {
    const { status, body } = await client('POST', '/Users', { userName: `${name}@${domain}` });
    assert.equal(status, 201);
    return body.id;
  };
  const off = patchOf({ op: 'replace', value: { active: false } });
  const group = async (displayName: string, ...members: string[]): Promise<string> => {
    const value = members.map((each) => ({ value: each }));
    const { status, body } = await acme('POST', '/Groups', { displayName, members: value });
    assert.equal(status, 201, JSON.stringify(body));
    return body.id;
  };

  test('a person of SCIM comes with its groups, and not without', async () => {
    const kim = await make('kim');
    const refused = await outcome(gateway.open('kim'));
    assert.equal(refused.code, '42501', String(refused));
    const engineers = await group('Engineers', kim);
    const client = await gateway.open('kim');
    assert.equal((await client.query('select 1 as one')).rows[0].one, 1);

    const away = { op: 'remove', path: `members[value eq "${kim}"]` };
    assert.equal((await acme('PATCH', `/Groups/${engineers}`, patchOf(away))).status, 204);
    // The answer came after this gateway had forgotten what it knew.
    const denied = await outcome(client.query('select 1 as one'));
    assert.ok(denied instanceof Error, 'a statement passed after the group was taken away');
    await eventually('the end of the session', async () =>
      (await outcome(client.query('select 1'))) instanceof Error ? true : undefined,
    );
  });

  test('nobody becomes a member through another provider, or by a group of the same name', async () => {
    const lee = await make('lee', beta, 'beta.org');
    const dbas = await group('DBAs');
    const value = [{ value: lee }];
    const foreign = await acme(
      'PATCH',
      `/Groups/${dbas}`,
      patchOf({ op: 'add', path: 'members', value }),
    );
    assert.equal(foreign.status, 400);
    for (const [method, body] of [
      ['PATCH', patchOf({ op: 'add', path: 'members', value })],
      ['PUT', { displayName: 'DBAs', members: value }],
      ['DELETE', undefined],
      ['GET', undefined],
    ] as const)
      assert.equal((await beta(method, `/Groups/${dbas}`, body)).status, 404, method);
    for (const [method, body] of [
      ['PATCH', off],
      ['DELETE', undefined],
      ['GET', undefined],
    ] as const)
      assert.equal((await acme(method, `/Users/${lee}`, body)).status, 404, method);
    assert.equal((await acme('POST', '/Groups', { displayName: 'dbas' })).status, 409);
    // A group that the mapping does not name counts for nothing, even with one of our names.
    const max = await make('max');
    await group('dba', max);
    const { rows } = await gateway.storeSql.query(
      `select groups from countersign.person where email = 'max@example.com'`,
    );
    assert.deepEqual(rows, [{ groups: [] }]);
    const nested = { op: 'add', path: 'members', value: [{ value: dbas, type: 'Group' }] };
    assert.equal((await acme('PATCH', `/Groups/${dbas}`, patchOf(nested))).status, 400);
  });

  test('an address is one provider’s', async () => {
    const id = await make('pat', acme, 'shared.org');
    const taken = await beta('POST', '/Users', { userName: 'pat@shared.org' });
    assert.equal(taken.status, 409);
    assert.equal((await acme('DELETE', `/Users/${id}`)).status, 204);
    // Who was taken out is still acme's: beta cannot let them in again.
    const again = await beta('POST', '/Users', { userName: 'Pat@Shared.org' });
    assert.equal(again.status, 409);
    const { rows } = await gateway.storeSql.query(
      `select state from countersign.person where email = 'pat@shared.org'`,
    );
    assert.deepEqual(rows, [{ state: 'gone' }]);
  });

  test('deactivated wins over the configuration, ends tokens, and lasts', async () => {
    const client = await gateway.open('oncall');
    const id = await make('oncall');
    const token = await gateway.token('oncall', 'decide');
    assert.equal((await acme('PATCH', `/Users/${id}`, off)).status, 200);
    assert.equal(await gateway.running.tokens.check(token, 'decide'), undefined);
    const last = await outcome(client.query('select 1'));
    assert.ok(last instanceof Error);
    const anew = await gateway.running.tokens.issue('oncall@example.com', ['connect'], 'x', 60_000);
    const opened = await outcome(gateway.open('oncall', { password: anew.token }));
    assert.ok(opened instanceof Error, 'a deactivated person came in with a token');
    // A group that changes lets nobody come again.
    await group('Oncall', id);
    const { rows } = await gateway.storeSql.query(
      `select state from countersign.person where email = 'oncall@example.com'`,
    );
    assert.deepEqual(rows, [{ state: 'deactivated' }]);
    const ended = (await gateway.records('person')).find(
      ({ json }) => json.body.action === 'scim-deactivate',
    );
    assert.equal(ended?.person, 'oncall@example.com');
    assert.ok(ended.json.body.tokens.length > 0);
  });

  test('whom security has deactivated, the provider does not let in by a change or a new group', async () => {
    const id = await make('mallory');
    await gateway.storeSql.query(
      `update countersign.person set state = 'deactivated' where email = 'mallory@example.com'`,
    );
    const rename = patchOf({ op: 'replace', value: { displayName: 'M' } });
    assert.equal((await acme('PATCH', `/Users/${id}`, rename)).status, 200);
    await acme('DELETE', `/Users/${id}`);
    await make('mallory');
    const { rows } = await gateway.storeSql.query(
      `select state from countersign.person where email = 'mallory@example.com'`,
    );
    assert.deepEqual(rows, [{ state: 'deactivated' }]);
  });

  test('statements in a race with the deactivation: none runs after the answer', async () => {
    const id = await make('runner');
    const { body } = await acme(
      'GET',
      `/Groups?filter=${encodeURIComponent('displayName eq "Engineers"')}`,
    );
    const value = [{ value: id }];
    const add = patchOf({ op: 'add', path: 'members', value });
    assert.equal((await acme('PATCH', `/Groups/${body.Resources[0].id}`, add)).status, 204);
    const clients = await Promise.all([1, 2, 3].map(() => gateway.open('runner')));
    let answered = Number.POSITIVE_INFINITY;
    const late: number[] = [];
    const run = async (client: (typeof clients)[number]): Promise<void> => {
      for (let i = 0; i < 2_000; i++) {
        const started = performance.now();
        if ((await outcome(client.query('select 1'))) instanceof Error) return;
        if (started > answered) late.push(started - answered);
      }
      assert.fail('nothing ended the statements');
    };
    const running = clients.map(run);
    await sleep(50);
    assert.equal((await acme('PATCH', `/Users/${id}`, off)).status, 200);
    answered = performance.now();
    await Promise.all(running);
    assert.deepEqual(late, []);
    await gateway.verify();
  });

  test('a deactivation and a change of a group at one moment leave the person deactivated', async () => {
    for (let round = 0; round < 8; round++) {
      const id = await make(`both${round}`);
      const name = `Team ${round}`;
      const team = await group(name);
      const value = [{ value: id }];
      const answers = await Promise.all([
        acme('PATCH', `/Groups/${team}`, patchOf({ op: 'add', path: 'members', value })),
        acme('PATCH', `/Users/${id}`, off),
        acme(
          'PATCH',
          `/Groups/${team}`,
          patchOf({ op: 'replace', path: 'displayName', value: `${name} x` }),
        ),
      ]);
      assert.deepEqual(
        answers.map(({ status }) => status),
        [204, 200, 204],
      );
      const { rows } = await gateway.storeSql.query(
        'select state from countersign.person where email = $1',
        [`both${round}@example.com`],
      );
      assert.deepEqual(rows, [{ state: 'deactivated' }]);
    }
  });
});
