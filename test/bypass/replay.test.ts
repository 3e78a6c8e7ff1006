import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type pg from 'pg';
import { main } from '#cli/main.ts';
import type { Terminal } from '#cli/terminal.ts';
import { startBeside } from '../fakes/beside.ts';
import { signedIn } from '../fakes/browser.ts';
import { eventually, outcome, startGateway, type TestGateway, type Who } from '../fakes/gateway.ts';

// Two gateways on one store; sessions are at `here`, whoever looks may be at `there`.
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

const EVIL = `<script>alert(1)</script>\u001B]52;c;eA==\u0007\u202E`;

async function sessionOf(client: pg.Client): Promise<string> {
  const { rows } = await here.storeSql.query(
    `select session from countersign.record_body where kind = 'session-start' order by at desc limit 1`,
  );
  assert.ok(client);
  return rows[0].session;
}

/** A session that has ended, and whose recording is there. */
async function recorded(...statements: string[]): Promise<string> {
  const client = await here.open();
  const id = await sessionOf(client);
  for (const sql of statements) await outcome(client.query(sql));
  await client.end();
  await eventually('the recording to be closed', async () => {
    const { rows } = await here.storeSql.query(
      `select from countersign.record_body where session = $1 and kind = 'recording' and body like '%"ended":true%'`,
      [id],
    );
    return rows.length > 0 || undefined;
  });
  return id;
}

const recording = (token: string, id: string, query = '', at = here.running.api) =>
  fetch(`${at}/sessions/${id}/recording${query}`, {
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(30_000),
  });

async function cli(token: string, ...argv: string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const terminal: Terminal = {
    out: (line) => void out.push(line),
    err: (line) => void err.push(line),
    status: () => undefined,
    paint: (_, text) => text,
    interactive: false,
    width: undefined,
  };
  const code = await main([...argv, '--token', token, '--api', there.running.api], terminal);
  return { code, out: out.join('\n'), err: err.join('\n') };
}

async function page(who: Who, path: string): Promise<{ status: number; text: string }> {
  const browser = await signedIn(there.running.console, await here.token(who, 'decide'));
  return browser.get(path);
}

test('what a session did and got is shown on its page and by countersign replay, on any gateway', async () => {
  const id = await recorded(
    `select id, name from customers order by id limit 2`,
    `select '${EVIL}' as evil`,
    'drop table customers',
  );
  const { status, text } = await page('oncall', `/sessions/${id}`);
  assert.equal(status, 200);
  assert.match(text, /<th scope="col" class="number">\s*id/u);
  assert.match(text, /&lt;script&gt;alert\(1\)&lt;\/script&gt;/u);
  assert.doesNotMatch(text, /<script>alert|\u202E/u);
  assert.ok(!text.includes('\u001B'));
  const shown = await cli(await here.token('oncall', 'decide'), 'replay', id);
  assert.equal(shown.code, 0, shown.err);
  assert.match(shown.out, / id \| name/u);
  assert.match(shown.out, /\(2 rows, /u);
  assert.match(shown.out, /deny [0-9a-f-]{36}\n {2}drop table customers/u);
  assert.ok(!/\u202E/u.test(shown.out) && !shown.out.includes('\u001B'));
});

test('nobody replays what they may not see, and only with the scope to read', async () => {
  const id = await recorded('select 1');
  for (const who of ['stranger', 'approver3'] as const) {
    const token = (await here.running.tokens.issue(`${who}@example.com`, ['read'], 't', 60_000))
      .token;
    const answer = await recording(token, id);
    assert.ok([401, 404].includes(answer.status), who);
  }
  const { token } = await here.running.tokens.issue(
    'security@example.com',
    ['connect'],
    't',
    60_000,
  );
  assert.equal((await recording(token, id)).status, 403);
  assert.equal((await recording(token, id, '?follow=true')).status, 403);
  const ended = await fetch(`${here.running.api}/sessions/${id}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ reason: 'x' }),
  });
  assert.equal(ended.status, 403);
  assert.equal((await page('stranger', `/sessions/${id}`)).status, 404);
  assert.equal((await page('stranger', `/sessions/${id}/live`)).status, 404);
  const other = await here.open('approver');
  const theirs = await sessionOf(other);
  assert.equal((await recording(await here.token('engineer', 'decide'), theirs)).status, 404);
});

test('every replay is a look, of one’s own session too', async () => {
  const id = await recorded('select 1');
  const looks = async () =>
    (await here.records('look'))
      .filter(({ session }) => session === id)
      .map(({ person, json }) => `${person} ${json.body.looked} ${json.body.via}`);
  for (const who of ['engineer', 'security'] as const) {
    await (await recording(await here.token(who, 'decide'), id)).text();
    await (await recording(await here.token(who, 'decide'), id, '?follow=true')).text();
    await page(who, `/sessions/${id}`);
  }
  assert.deepEqual(
    await looks(),
    ['engineer', 'security'].flatMap((who) =>
      ['recording api', 'live recording api', 'recording console'].map(
        (what) => `${who}@example.com ${what}`,
      ),
    ),
  );
});

test('a running session is followed, here at once and elsewhere from the store, until its token ends', async () => {
  const client = await here.open();
  const id = await sessionOf(client);
  const { token, info } = await here.running.tokens.issue(
    'security@example.com',
    ['read'],
    'watches',
    60_000,
  );
  const answer = await recording(token, id, '?follow=true');
  assert.equal(answer.status, 200);
  let text = '';
  const read = (async () => {
    for await (const chunk of answer.body ?? []) text += Buffer.from(chunk).toString();
  })().then(
    () => 'over',
    () => 'broken',
  );
  await client.query('select 4711 as first_one');
  await eventually('the statement', () => text.includes('first_one') || undefined);
  const elsewhere = await recording(
    await here.token('oncall', 'decide'),
    id,
    '?follow=true',
    there.running.api,
  );
  await here.running.tokens.revoke(info.id);
  await eventually('the view to end', async () => {
    await client.query('select 4712 as secret_one');
    return (await Promise.race([read, Promise.resolve(undefined)])) ?? undefined;
  });
  assert.equal(await read, 'broken');
  const seen = text.split('secret_one').length - 1;
  await client.query('select 4713 as later_one');
  assert.equal(text.split('secret_one').length - 1, seen);
  assert.ok(!text.includes('later_one'));
  await client.end();
  const whole = await elsewhere.text();
  assert.match(whole, /first_one/u);
  assert.match(whole, /later_one/u);
});
