import assert from 'node:assert/strict';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { reportLines } from '#cli/audit/verify.ts';
import { checkLines } from '#cli/doctor.ts';
import { checkSlack } from '#cli/doctor/slack.ts';
import { prettyLine } from '#cli/log.ts';
import { main } from '#cli/main.ts';
import { readyPort } from '#cli/running-store.ts';
import type { Terminal } from '#cli/terminal.ts';
import { scopesOf, stateOf } from '#cli/token.ts';
import { errorFacts, openLogger } from '#src/config/logger.ts';

const plain = { paint: (_: unknown, text: string) => text, width: undefined };

function capture(): { terminal: Terminal; out: string[]; err: string[] } {
  const out: string[] = [];
  const err: string[] = [];
  const terminal: Terminal = {
    ...plain,
    out: (line) => void out.push(line),
    err: (line) => void err.push(line),
    status: () => undefined,
    interactive: false,
  };
  return { terminal, out, err };
}

const CONFIG = `
name: try
targets:
  shop:
    protocol: postgres
    url: postgres://gateway@127.0.0.1:1/shop
    password: "\${command:echo not-a-real-one}"
    analyser: { user: analyser, password: "\${command:echo not-a-real-one}" }
    tls: { mode: disable }
people: { jane@example.com: { name: Jane, groups: [engineering] } }
store: { postgres: "postgres://x@127.0.0.1:1/x" }
`;

async function installation(t: TestContext, rules: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-cli-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, 'policies'));
  await writeFile(join(folder, 'policies', 'shop.cedar'), rules);
  await writeFile(join(folder, 'countersign.yaml'), CONFIG);
  return join(folder, 'countersign.yaml');
}

const PERMIT = `@id("read")
permit (principal in Group::"engineering", action == Action::"read", resource in Target::"shop");`;

test('policy check passes good rules and exits 0', async (t) => {
  const config = await installation(t, PERMIT);
  const { terminal, err } = capture();
  assert.equal(await main(['policy', 'check', '--config', config], terminal), 0);
  assert.match(err.join('\n'), /no problems/);
});

test('policy check names every problem with its file and line and exits 2', async (t) => {
  const rules = `${PERMIT}\n\n@id("write") @hold("dbas")\nforbid (principal, action == Action::"write", resource in Target::"shopp");`;
  const config = await installation(t, rules);
  const { terminal, out } = capture();
  assert.equal(await main(['policy', 'check', '--config', config], terminal), 2);
  assert.match(out.join('\n'), /shop\.cedar:4: error: write: .*dbas/);
  assert.match(out.join('\n'), /shopp/);
});

test('policy check refuses a step-up that no provider can give', async (t) => {
  const rules = `${PERMIT}\n@id("write") @hold("engineering") @stepup("5m")\nforbid (principal, action == Action::"write", resource);`;
  const config = await installation(t, rules);
  const check = async () => {
    const { terminal, out } = capture();
    return {
      code: await main(['policy', 'check', '--offline', '--config', config], terminal),
      out,
    };
  };
  const refused = await check();
  assert.equal(refused.code, 2);
  assert.match(refused.out.join('\n'), /write: @stepup asks for a fresh sign-in/);
  for (const [issuer, code] of [
    ['https://accounts.google.com', 2],
    ['https://id.example.com', 0],
  ] as const) {
    const acme = `{ protocol: oidc, issuer: "${issuer}", clientId: x }`;
    await writeFile(config, `${CONFIG}identity: { providers: { acme: ${acme} } }\n`);
    assert.equal((await check()).code, code);
  }
});

test('policy check --json says the same to a script', async (t) => {
  const config = await installation(t, 'permit (');
  const { terminal, out } = capture();
  assert.equal(await main(['policy', 'check', '--json', '--config', config], terminal), 2);
  const answer = JSON.parse(out.join('\n')) as { ok: boolean; problems: unknown[] };
  assert.equal(answer.ok, false);
  assert.ok(answer.problems.length > 0);
});

test('a configuration with mistakes exits 2 and names each by its key', async (t) => {
  const config = await installation(t, PERMIT);
  await writeFile(config, `${CONFIG}\ncolour: red\nlog: { level: loud }\n`);
  for (const argv of [['serve'], ['token', 'list'], ['audit', 'verify'], ['doctor']]) {
    const { terminal, err } = capture();
    assert.equal(await main([...argv, '--config', config], terminal), 2);
    assert.match(err.join('\n'), /colour: there is no such key/);
    assert.match(err.join('\n'), /log\.level/);
  }
});

test('a store that does not answer is said in one sentence, with exit 1', async (t) => {
  const config = await installation(t, PERMIT);
  for (const argv of [
    ['token', 'list'],
    ['audit', 'verify'],
  ]) {
    const { terminal, err } = capture();
    assert.equal(await main([...argv, '--config', config], terminal), 1);
    assert.match(err.join('\n'), /the store does not answer \(ECONNREFUSED\)/);
  }
});

test('the doctor reports what is down, what to do, and exits 1', async (t) => {
  const config = await installation(t, PERMIT);
  const { terminal, out } = capture();
  assert.equal(await main(['doctor', '--json', '--config', config], terminal), 1);
  const { checks } = JSON.parse(out.join('\n')) as {
    checks: { what: string; state: string; next?: string }[];
  };
  const state = new Map(checks.map((check) => [check.what, check.state]));
  assert.equal(state.get('rules'), 'ok');
  assert.equal(state.get('store'), 'fail');
  assert.equal(state.get('shop: gateway role'), 'fail');
  for (const check of checks) assert.ok(check.state === 'ok' || check.next, check.what);
  assert.doesNotMatch(out.join('\n'), /not-a-real-one/);
});

test('a token is not issued to somebody whom the configuration does not name', async (t) => {
  const config = await installation(t, PERMIT);
  const { terminal, err } = capture();
  assert.equal(await main(['token', 'issue', 'joe@example.com', '--config', config], terminal), 2);
  assert.match(err.join('\n'), /jane@example\.com/);
});

test('scopes are checked by name, and a token is live until it expires or is revoked', () => {
  assert.deepEqual(scopesOf('connect, read,connect'), ['connect', 'read']);
  for (const bad of ['', 'admin', 'read,']) assert.throws(() => scopesOf(bad), { exit: 2 });
  const info = {
    id: '1',
    person: 'a@b',
    label: '',
    scopes: [],
    createdAt: '2026-01-01T00:00:00Z',
    expiresAt: '2026-01-02T00:00:00Z',
  };
  const day = Date.parse('2026-01-01T12:00:00Z');
  assert.equal(stateOf(info, day), 'live');
  assert.equal(stateOf(info, Date.parse(info.expiresAt)), 'expired');
  assert.equal(stateOf({ ...info, revokedAt: info.createdAt }, day), 'revoked');
});

test('audit verify names the first bad record of a writer', () => {
  const empty = { size: 0, waiting: 0, problems: [] };
  const head = { seq: 2, hash: 'ab' };
  const good = { writer: 'a', records: 2, erased: 0, head };
  const detail = 'its leaf does not have the hash that is stored';
  const bad = {
    writer: 'b',
    records: 2,
    erased: 0,
    head,
    bad: { seq: 3, record: 'id', problem: 'changed', detail } as const,
  };
  const text = reportLines(
    { ok: false, records: 4, erased: 0, writers: [good, bad], erasures: [] },
    empty,
    plain,
  ).join('\n');
  assert.match(text, /^b: record 3 \(id\): changed: its leaf/m);
  assert.match(text, /1 of 2 writers/);
  const erasures = ['erasure x: its record says 1 records, and 2 are gone'];
  const gone = reportLines(
    { ok: false, records: 2, erased: 2, writers: [good], erasures },
    empty,
    plain,
  ).join('\n');
  assert.match(gone, /erasure x: its record says[^]*not what the records of erasures say/);
  const well = reportLines(
    { ok: true, records: 2, erased: 0, writers: [good], erasures: [] },
    empty,
    plain,
  ).join('\n');
  assert.match(well, /2 records, every one in its place/);
});

test('the doctor’s table ends with the next step of what is not well', () => {
  const lines = checkLines(
    [
      { what: 'a', state: 'ok', found: 'x' },
      { what: 'b', state: 'fail', found: 'y', next: 'do z' },
    ],
    plain,
  );
  assert.equal(lines.at(-1), 'fail b: do z');
});

test('the doctor tells a wrong workspace and missing scopes of Slack apart', async () => {
  const answer = { ok: true, team: 'Acme', team_id: 'T2' };
  const headers = { 'x-oauth-scopes': 'chat:write,users:read' };
  const fetcher = () => Promise.resolve(new Response(JSON.stringify(answer), { headers }));
  const slack = {
    mode: 'http',
    botToken: 'xoxb-not-real',
    signingSecret: 's',
    teams: ['T1'],
    listen: { host: '127.0.0.1', port: 1 },
    matchEmail: [],
  } as const;
  const checks = await checkSlack(slack, fetcher);
  assert.deepEqual(
    checks.map((check) => [check.what, check.state]),
    [
      ['Slack workspace', 'fail'],
      ['Slack scopes', 'fail'],
    ],
  );
  const refused = await checkSlack(slack, () =>
    Promise.resolve(Response.json({ ok: false, error: 'invalid_auth' })),
  );
  assert.match(refused[0]?.found ?? '', /invalid_auth/);
});

test('the doctor asks whether the app token may open Socket Mode', async () => {
  const slack = {
    mode: 'socket',
    botToken: 'xoxb-not-real',
    appToken: 'xapp-not-real',
    teams: ['T1'],
    matchEmail: [],
  } as const;
  const asked: unknown[] = [];
  const answering = (error?: string) => (url: unknown, init?: RequestInit) => {
    asked.push([String(url), new Headers(init?.headers).get('authorization')]);
    return Promise.resolve(Response.json({ ok: error === undefined, error }));
  };
  const good = (await checkSlack(slack, answering())).at(-1);
  assert.deepEqual([good?.what, good?.state], ['Slack Socket Mode', 'ok']);
  assert.deepEqual(asked.at(-1), [
    'https://slack.com/api/apps.connections.open',
    'Bearer xapp-not-real',
  ]);
  const bad = (await checkSlack(slack, answering('missing_scope'))).at(-1);
  assert.match(
    `${bad?.state} ${bad?.found} ${bad?.next}`,
    /fail .*missing_scope.*connections:write/,
  );
});

test('the log loses secrets and the values that errors of PostgreSQL quote', () => {
  const lines: string[] = [];
  const log = openLogger('info', { write: (line: string) => void lines.push(line) });
  log.info({ token: 'S1', db: { url: 'S2' }, req: { headers: { authorization: 'S3' } } }, 'x');
  const quoting = Object.assign(new Error('invalid input syntax: "S4"'), {
    severity: 'ERROR',
    code: '22P02',
    detail: 'S5',
    client: { secretKey: 'S6' },
  });
  log.error({ err: new Error('outer', { cause: quoting }) }, 'y');
  log.error(quoting, 'z');
  assert.equal(lines.length, 3);
  assert.doesNotMatch(lines.join(''), /S[1-6]/);
  assert.match(lines[1] ?? '', /"message":"outer".*"code":"22P02"/);
});

test('the log keeps the message of an error that speaks of a connection', () => {
  const gone = Object.assign(new Error('terminating connection'), {
    severity: 'FATAL',
    code: '57P01',
  });
  assert.equal(errorFacts(gone).message, 'terminating connection');
  assert.equal(errorFacts(new Error('plain')).message, 'plain');
  const facts = { code: 'X', message: 'm', cause: { message: 'c' } };
  const line = prettyLine(JSON.stringify({ level: 50, time: 0, msg: 'bad', err: facts }), plain);
  assert.equal(line, '00:00:00 error bad X m, because of c');
});

test('the readable log has time, level, message and facts on one line', () => {
  const entry = { level: 40, time: 0, msg: 'slow\nstore', port: 6432, err: { message: 'bad' } };
  assert.equal(
    prettyLine(JSON.stringify(entry), plain),
    '00:00:00 warn  slow\\nstore bad port=6432',
  );
  assert.equal(prettyLine('not json\n', plain), 'not json');
});

const file = (state: string) => `4711\n/data\n1700000000\n5433\n\n127.0.0.1\n  1 2\n${state}   \n`;

test('an embedded store is found by its own pid file, and only while it runs and is ready', () => {
  assert.equal(
    readyPort(file('ready'), (pid) => pid === 4711),
    5433,
  );
  assert.equal(
    readyPort(file('ready'), () => false),
    undefined,
  );
  assert.equal(
    readyPort(file('starting'), () => true),
    undefined,
  );
  assert.equal(
    readyPort('', () => true),
    undefined,
  );
});
