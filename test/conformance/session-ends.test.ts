import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startBeside } from '../fakes/beside.ts';
import { eventually, outcome, startGateway, type TestGateway, type Who } from '../fakes/gateway.ts';

// Two gateways on one store: sessions are at `here`, and whoever ends one asks `there`.
let here: TestGateway;
let there: Awaited<ReturnType<typeof startBeside>>;
before(async () => {
  here = await startGateway();
  there = await startBeside(here, 'there');
});
after(async () => {
  await there?.running.stop();
  await here?.stop();
});

type Answer = { readonly status: number; readonly body: any };

async function api(
  who: Who,
  method: string,
  path: string,
  { body, use = 'decide' }: { body?: unknown; use?: 'connect' | 'decide' } = {},
): Promise<Answer> {
  const response = await fetch(there.running.api + path, {
    method,
    headers: {
      authorization: `Bearer ${await here.token(who, use)}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json() };
}
const end = (who: Who, id: string, reason = 'it runs too long', use?: 'connect' | 'decide') =>
  api(who, 'DELETE', `/sessions/${id}`, { body: { reason }, ...(use && { use }) });

/** The newest session of somebody, with the client in it and the error that ends it. */
async function session(who: Who = 'engineer') {
  const client = await here.open(who);
  const ended = new Promise<any>((resolve) => client.once('error', resolve));
  const { sessions } = (await api('security', 'GET', `/sessions?person=${who}@`)).body;
  const [{ id, state, gateway }] = sessions;
  assert.deepEqual({ state, gateway }, { state: 'running', gateway: 'test' });
  return { client, ended, id };
}
const ids = async (who: Who) =>
  (await api(who, 'GET', '/sessions')).body.sessions.map((each: any) => each.id);
const ends = async (id: string) =>
  (await here.records('session-end')).filter((record) => record.session === id);

test('a session that runs a statement on another gateway ends: cancelled, told, recorded once', async () => {
  const { client, ended, id } = await session();
  const ran = outcome(client.query('select pg_sleep(60)'));
  await eventually('the statement to run', async () =>
    (await here.ranOnTarget()).some((text) => text.includes('pg_sleep(60)')),
  );
  assert.deepEqual(await end('security', id), { status: 200, body: { ended: true } });
  const error = await ran;
  assert.ok(['57014', '57P01'].includes(error.code), error.message);
  const fatal = error.code === '57P01' ? error : await ended;
  assert.equal(fatal.code, '57P01');
  assert.equal(fatal.severity, 'FATAL');
  assert.match(fatal.message, /security@example.com has ended this session: it runs too long/u);
  await eventually('the statement to be cancelled', async () => {
    const { rows } = await here.targetSql.query(
      `select count(*)::int as n from pg_stat_activity
       where query like '%pg_sleep(60)%' and state = 'active' and pid <> pg_backend_pid()`,
    );
    return rows[0].n === 0 || undefined;
  });
  await eventually('the outcome', async () =>
    (await here.records('outcome')).some((record) => record.session === id),
  );
  const [record, ...more] = await ends(id);
  assert.deepEqual(more, []);
  assert.equal(record.person, 'engineer@example.com');
  assert.deepEqual(record.json.body, {
    by: 'security@example.com',
    reason: 'it runs too long',
    via: 'api',
  });
  const again = await end('security', id);
  assert.equal(again.status, 409);
  const list = await api('security', 'GET', '/sessions?state=ended');
  const found = list.body.sessions.find((each: any) => each.id === id);
  assert.equal(found.endedBy, 'security@example.com');
});

test('what waits in it is withdrawn, and can not be approved any more', async () => {
  const { client, id } = await session();
  const waits = outcome(client.query("update orders set status = 'x' where id = 1"));
  const request = await here.pending();
  assert.equal((await end('security', id)).status, 200);
  assert.match((await waits).message, /security@example.com has ended this session/u);
  const now = await eventually('the request to end', async () => {
    const { body } = await api('approver', 'GET', `/requests/${request.id}`);
    return body.state === 'pending' ? undefined : body.state;
  });
  assert.equal(now, 'abandoned');
  const vote = await api('approver', 'POST', `/requests/${request.id}/decision`, {
    body: { decision: 'approve', reason: 'late' },
  });
  assert.equal(vote.status, 409);
  assert.ok(!(await here.ranOnTarget()).some((text) => text.includes("status = 'x'")));
});

test('its own person may end it, others only with the right and the scope, and a reason is needed', async () => {
  const { ended, id } = await session();
  assert.equal((await end('security', id, '')).status, 422);
  assert.equal((await end('security', id, 'a\u0000b')).status, 422);
  assert.equal((await end('security', id, 'x'.repeat(201))).status, 422);
  assert.equal((await end('security', id, 'no', 'connect')).status, 403);
  assert.equal((await end('approver', id)).status, 403);
  assert.equal((await end('oncall', id)).status, 403);
  assert.equal((await end('stranger', id)).status, 404);
  assert.deepEqual(await ends(id), []);
  assert.equal((await end('engineer', id, 'left it open', 'connect')).status, 200);
  assert.match((await ended).message, /you have ended this session: left it open/u);
  assert.equal((await ends(id)).length, 1);
});

test('a gateway that did not hear of it ends the session when it looks', async () => {
  const { ended, id } = await session();
  await here.storeSql.query(
    `update countersign.session set ended_at = clock_timestamp(), ended_by = 'security@example.com', ended_why = 'unheard'
     where id = $1`,
    [id],
  );
  assert.match((await ended).message, /unheard/u);
});

test('everybody sees their own sessions, and whoever may read all records sees all, which is recorded', async () => {
  const mine = await session();
  const other = await session('approver');
  assert.deepEqual(await ids('stranger'), []);
  const own = await ids('engineer');
  assert.ok(own.includes(mine.id) && !own.includes(other.id));
  const looks = (await here.records('look')).length;
  const all = await ids('oncall');
  assert.ok(all.includes(mine.id) && all.includes(other.id));
  const [look] = (await here.records('look')).slice(looks);
  assert.equal(look.person, 'oncall@example.com');
  assert.equal(look.json.body.looked, 'sessions');
});
