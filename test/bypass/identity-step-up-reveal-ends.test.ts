import assert from 'node:assert/strict';
import { after, afterEach, before, suite, test } from 'node:test';
import { TOKEN_EXCHANGE } from '#gateway/oauth/token-exchange.ts';
import { startBearerWorld } from '../fakes/bearer-world.ts';
import { eventually, outcome } from '../fakes/gateway.ts';
import { B, E, P, Q, RawClient, S } from '../fakes/raw-client.ts';
import { EMAIL, RULES, SHOWN, RevealWorld } from './reveal-world.ts';

let world: RevealWorld;
before(async () => {
  world = await RevealWorld.start();
});
afterEach(() => world.honest());
after(() => world?.stop());

suite('what a fresh sign-in shows', () => {
  test('is hidden again on the same connection once it is too old, prepared statements too', async () => {
    const one = await world.open();
    const prepared = async (): Promise<unknown> => {
      const { rows } = await one.client.query({
        name: 'phone',
        text: 'select phone from customers where id = $1',
        values: [1],
      });
      return rows[0].phone;
    };
    const browser = await world.signedIn();
    // A machine under load may take longer than the rule allows; then once more.
    await eventually('the value', async () => {
      await world.signInFor(browser, one.session);
      return (await prepared()) !== null;
    });
    await eventually('the mask', async () => {
      const answer = await outcome(prepared());
      // What was bound in the last moment, and recorded only later, is to be bound again.
      if (answer instanceof Error) assert.match(answer.message, /no longer fresh/);
      return answer === null;
    });
    assert.equal(await world.value(one), SHOWN, 'another rule gives it longer');
    await world.gateway.storeSql.query(
      `update countersign.session_sign_in set auth_time = auth_time - interval '10 min' where session = $1`,
      [one.session],
    );
    await world.hides(one);
    await one.client.end();
  });

  test('is not fetched from a portal that was bound while it was shown', async () => {
    const client = await RawClient.connect(world.gateway, 'engineer');
    const { rows } = await world.gateway.storeSql.query(
      'select id from countersign.session where ended_at is null order by started_at desc limit 1',
    );
    const browser = await world.signedIn();
    const first = await eventually('the value', async () => {
      await world.signInFor(browser, rows[0].id);
      client.send(Q('begin'));
      await client.until('readyForQuery');
      client.send(
        P('select phone from customers order by id', 's'),
        B({ portal: 'p', statement: 's' }),
      );
      client.send(E({ portal: 'p', rows: 1 }), S());
      const heard = await client.until('readyForQuery');
      const row = heard.find(({ name }) => name === 'dataRow');
      if (row?.fields[0] !== null) return row;
      client.send(Q('rollback'), P('select 1', 'x'), S());
      await client.until('readyForQuery');
      await client.until('readyForQuery');
      return undefined;
    });
    assert.match(String(first.fields[0]), /202-555-0001/);
    const later = await eventually('the refusal', async () => {
      client.send(E({ portal: 'p', rows: 1 }), S());
      const heard = await client.until('readyForQuery');
      return heard.find(({ name }) => name === 'error');
    });
    assert.match(later.message, /no longer fresh/);
    client.end();
  });

  test('is hidden again when the sign-in is ended', async () => {
    const one = await world.open();
    const browser = await world.signedIn();
    await world.signInFor(browser, one.session);
    assert.equal(await world.shows(one), SHOWN);
    const { text } = await browser.get('/');
    await browser.get('/sign-out', {
      method: 'POST',
      headers: { origin: world.gateway.running.console, 'sec-fetch-site': 'same-origin' },
      body: new URLSearchParams({ csrf: /name="csrf" value="([^"]+)"/u.exec(text)?.[1] ?? '' }),
    });
    await world.hides(one);
    await one.client.end();
  });

  test('is copied nowhere without one; the refusal says where to sign in', async () => {
    const one = await world.open();
    const refused = await outcome(
      one.client.query('update customers set name = email where id = 3'),
    );
    assert.equal(refused.code, '42501');
    assert.match(
      refused.hint,
      /public\.customers\.email: shown once you sign in for this session at http/,
    );
    await world.signInFor(await world.signedIn(), one.session);
    await world.shows(one);
    await one.client.query('update customers set name = email where id = 3');
    const { rows } = await world.gateway.targetSql.query('select name from customers where id = 3');
    assert.equal(rows[0].name, 'person3@example.org');
    await one.client.end();
  });

  test('is judged anew when what waited is approved', async () => {
    const one = await world.open();
    const change = (city: string) =>
      one.client.query(`update customers set city = '${city}' where id = 1 returning email`);
    await world.signInFor(await world.signedIn(), one.session);
    assert.equal(await world.shows(one), SHOWN);
    const waiting = change('Porto');
    await world.gateway.pending();
    await world.gateway.storeSql.query(
      `update countersign.session_sign_in set auth_time = auth_time - interval '10 min' where session = $1`,
      [one.session],
    );
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    await world.gateway.decide('approve');
    assert.equal((await waiting).rows[0].email, null);
    const waits = change('Faro');
    await eventually('the second', async () => {
      const { rows } = await world.gateway.storeSql.query(
        "select count(*)::int as n from countersign.request where state = 'pending'",
      );
      return rows[0].n === 1;
    });
    await world.signInFor(await world.signedIn(), one.session);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    await world.gateway.decide('approve');
    assert.equal((await waits).rows[0].email, SHOWN);
    await one.client.end();
  });
});

test('an agent’s session is shown nothing by its person’s sign-in, and is not told of one', async () => {
  const bearer = await startBearerWorld({}, { onlyRules: RULES });
  try {
    const { gateway } = bearer;
    const type = 'urn:ietf:params:oauth:token-type:access_token';
    const { body } = await bearer.grant(TOKEN_EXCHANGE, {
      subject_token: await gateway.token('engineer'),
      subject_token_type: type,
      actor_token: await bearer.actor(),
      actor_token_type: type,
    });
    const client = await RawClient.connect(gateway, 'engineer', body.access_token);
    const { rows } = await gateway.storeSql.query(
      'select id, agent from countersign.session where ended_at is null',
    );
    assert.equal(rows[0].agent, 'assistant');
    const read = async () => {
      client.send(Q(EMAIL));
      return client.until('readyForQuery');
    };
    const heard = await read();
    assert.deepEqual(heard.find(({ name }) => name === 'dataRow').fields, [null]);
    assert.ok(!heard.some(({ name }) => name === 'notice'));
    // Even what could never come about by the pages counts for nothing.
    await gateway.storeSql.query(
      `with s as (insert into countersign.sign_in (id, cookie, person, provider, scopes, client, ends_at)
         values (gen_random_uuid(), '\\x00', 'engineer@example.com', 'acme', '{read}', '127.0.0.1', clock_timestamp() + interval '1 h')
         returning id)
       insert into countersign.session_sign_in (session, sign_in, auth_time)
       select $1, id, clock_timestamp() from s`,
      [rows[0].id],
    );
    const again = await read();
    assert.deepEqual(again.find(({ name }) => name === 'dataRow').fields, [null]);
    client.end();
  } finally {
    await bearer.stop();
  }
});
