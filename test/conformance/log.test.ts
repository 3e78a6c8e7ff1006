import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pg from 'pg';
import type { TargetConfig } from '#src/config/config.ts';
import { eventually, outcome, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { freePort } from '../fakes/postgres.ts';

const WRONG = 'cs_thisisawrongtokenthatsomebodytypedbymistake000';
const BOT_TOKEN = 'xoxb-in-the-configuration';
const SIGNING = 'signing-secret-in-the-configuration';
const TARGET_PASSWORD = 'password-of-the-target-role';
const VALUES = ['4471-in-a-statement', '123-45-0007', 'what-was-searched-for'];

let gateway: TestGateway;
let storeFails = false;
const failpoint = () => {
  if (storeFails) throw new Error('the store is made to fail');
};

before(async () => {
  const nowhere = await freePort();
  const slack = {
    mode: 'http',
    botToken: BOT_TOKEN,
    signingSecret: SIGNING,
    teams: ['T0123456'],
    listen: { host: '127.0.0.1', port: await freePort() },
    matchEmail: ['T0123456'],
    apiUrl: `http://127.0.0.1:${nowhere}`,
  } as const;
  gateway = await startGateway({ slack, failpoint });
});
after(() => gateway?.stop());

const open = (user: string, password: string, database = 'shop') =>
  new pg.Client({
    host: '127.0.0.1',
    port: gateway.running.postgres.port,
    user,
    password,
    database,
  });

/** Through the console's own form; resolves with the cookie. */
async function signIn(site: string, token: string): Promise<string> {
  const page = await fetch(`${site}/sign-in`);
  const cookie = page.headers.get('set-cookie')?.split(';')[0] ?? '';
  const csrf = /name="csrf" value="([^"]+)"/.exec(await page.text())?.[1] ?? '';
  const answer = await fetch(`${site}/sign-in`, {
    method: 'POST',
    redirect: 'manual',
    headers: { origin: site, cookie, 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ csrf, token, next: '/' }).toString(),
  });
  assert.equal(answer.status, token === WRONG ? 401 : 303);
  return answer.headers.get('set-cookie')?.split(';')[0]?.split('=')[1] ?? '';
}

test('at level trace, nothing secret is in the log, and a failure has the ids of its session and statement', async () => {
  const { console: site } = gateway.running;
  const good = await gateway.token('approver', 'decide');
  const connect = await gateway.token('engineer');

  // Doors: wrong and good tokens, cookies, headers, what was searched for.
  const headers = { authorization: `Bearer ${WRONG}`, cookie: 'countersign=a-stolen-cookie' };
  await fetch(`${site}/api/v1/requests`, { headers });
  await gateway.api('approver', `/records?q=${VALUES[2]}`);
  const cookie = await signIn(site, good);
  await signIn(site, WRONG);
  await outcome(open('engineer@example.com', WRONG).connect());

  // Statements: one that fails with a value in its error, one that is held and posted to a Slack that is not there.
  const client = await gateway.open('engineer');
  await outcome(client.query(`select (name || '${VALUES[0]}')::int from customers`));
  await outcome(client.query(`select ssn from customers where id = 7`));
  const held = outcome(client.query(`update orders set status = '${VALUES[0]}' where id = 7`));
  await gateway.pending();
  await gateway.decide('deny');
  await held;
  await eventually(
    'a card that Slack did not take',
    () => gateway.logged.some((line) => line.includes('a card was not delivered')) || undefined,
  );

  // A target that does not take our password, an analyser that is gone, a store that breaks off.
  await gateway.targetSql.query(`alter role gateway password 'another'`);
  Object.assign(gateway.config.targets.get('shop') as TargetConfig, {
    password: () => Promise.resolve(TARGET_PASSWORD),
  });
  await outcome(open('engineer@example.com', connect).connect());
  storeFails = true;
  const refused = await outcome(client.query(`select '${VALUES[0]}'`));
  storeFails = false;
  assert.equal(refused.code, '58000');
  const failure = gateway.logged.map((line) => JSON.parse(line)).findLast((line) => line.statement);
  const [start] = await gateway.records('session-start');
  assert.equal(failure?.session, start.session);
  assert.match(failure.statement, /^[0-9a-f-]{36}$/);
  await gateway.storeSql.query(
    'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()',
  );
  await eventually('the log without its store', () => {
    const line = gateway.logged.find((one) => one.includes('57P01'));
    return line;
  });

  const log = gateway.logged.join('');
  const password = new URL(gateway.store.url).password;
  const secrets = [
    WRONG,
    good,
    connect,
    BOT_TOKEN,
    SIGNING,
    TARGET_PASSWORD,
    'a-stolen-cookie',
    cookie,
  ];
  for (const secret of [...secrets, password, ...VALUES])
    assert.ok(!log.includes(secret), `the log holds ${secret}`);
  assert.doesNotMatch(log, /Bearer |update orders/i);
  assert.match(log, /28P01/);
});

test('a session that could not begin, one that ended: each line has its id', async () => {
  const sessions = new Set((await gateway.records('session-start')).map((row) => row.session));
  const lines = gateway.logged.map((line) => JSON.parse(line) as Record<string, string>);
  for (const text of [
    'a session begins',
    'a session has ended',
    'a PostgreSQL connection was ended',
  ])
    assert.ok(
      lines.some((line) => line['msg'] === text && sessions.has(line['session'])),
      text,
    );
});
