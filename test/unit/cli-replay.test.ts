import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { timed } from '#cli/replay/cast.ts';
import { clockOf } from '#cli/replay/transcript.ts';
import { main } from '#cli/main.ts';
import type { Terminal } from '#cli/terminal.ts';

const ID = '0199c0de-0000-4000-8000-000000000001';
const SQL = [
  { t: 1_500, k: 'statement', id: 'a', text: 'select id,\n  name from x', verdict: 'allow' },
  { t: 1_600, k: 'columns', s: 'a', names: ['id', 'name'] },
  { t: 1_600, k: 'row', s: 'a', cells: ['7', null] },
  { t: 1_600, k: 'row', s: 'a', cells: ['12', 'Ann\u202E'] },
  { t: 1_700, k: 'rest', s: 'a', rows: 40, bytes: 900, digest: 'abcd' },
  { t: 1_700, k: 'end', s: 'a', tag: 'SELECT 42', rows: 42, ms: 3.5 },
  { t: 1_900, k: 'gap', reason: 'changed', chunk: 2 },
  { t: 2_000, k: 'statement', id: 'b', text: 'drop table x', verdict: 'deny' },
  { t: 2_000, k: 'error', s: 'b', severity: 'ERROR', code: '42501', message: 'never' },
];
const CAST = [
  { version: 3, term: { cols: 90, rows: 30 } },
  [1, 'o', 'one '],
  [2, 'i', 'typed'],
  [0.5, 'm', 'ls'],
  [10, 'o', 'two'],
];
const asLines = (values: readonly unknown[]): string =>
  values.map((value) => `${JSON.stringify(value)}\n`).join('');

async function* castLines() {
  yield* asLines(CAST).split('\n');
}

const asked: string[] = [];
let base = '';
const server = createServer((request: IncomingMessage, response: ServerResponse) => {
  const { method, url = '' } = request;
  asked.push(`${method} ${url}`);
  const answer = (status: number, body: unknown): void =>
    void response
      .writeHead(status, { 'content-type': 'application/json' })
      .end(JSON.stringify(body));
  if (url.includes('/recording') && url.includes('statement=cast'))
    response.writeHead(200, { 'content-type': 'application/x-asciicast' }).end(asLines(CAST));
  else if (url.includes('/recording') && url.includes(ID))
    response.writeHead(200, { 'content-type': 'application/x-ndjson' }).end(asLines(SQL));
  else if (method === 'DELETE') answer(403, { code: 'not-allowed', detail: 'Ask one of them.' });
  else if (url.startsWith('/sessions?'))
    answer(200, {
      sessions: [
        {
          id: ID,
          person: 'e@example.com',
          target: 'shop',
          application: 'psql',
          client: '127.0.0.1:1',
          startedAt: '2026-11-20T20:14:03.000Z',
          state: 'running',
        },
      ],
    });
  else answer(404, { code: 'not-found', detail: 'There is none.' });
});
before(async () => {
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => server.close());

async function run(...argv: string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const written: string[] = [];
  const terminal: Terminal = {
    out: (line) => void out.push(line),
    err: (line) => void err.push(line),
    write: (text) => void written.push(text),
    status: () => undefined,
    paint: (_, text) => text,
    interactive: false,
    width: undefined,
  };
  const code = await main([...argv, '--token', 'secret', '--api', base], terminal);
  return { code, out: out.join('\n'), err: err.join('\n'), written: written.join('') };
}

test('SQL is a transcript with tables; what is missing is said', async () => {
  const { code, out } = await run('replay', ID);
  assert.equal(code, 0);
  assert.equal(
    out,
    [
      '',
      '+0:01.500 allow a',
      '  select id,',
      '    name from x',
      ' id | name',
      '----+-----------',
      '  7 | NULL',
      ' 12 | Ann\\u202e',
      '(40 more rows, 900 bytes, were not kept; digest abcd)',
      '(42 rows, 3.5 ms)',
      '-- +0:01.900 part 2 of the recording is not what its record says; somebody has changed it',
      '',
      '+0:02.000 deny b',
      '  drop table x',
      'ERROR 42501: never',
    ].join('\n'),
  );
});

test('--json is the recording itself, harmless on a terminal and the same to a program', async () => {
  const { out } = await run('replay', ID, '--json', '--follow');
  assert.deepEqual(
    out.split('\n').map((line) => JSON.parse(line)),
    SQL,
  );
  assert.doesNotMatch(out, /\u202E/u);
  assert.match(asked.at(-1) ?? '', /recording\?follow=true$/u);
});

test('a terminal is played in its time, with pauses cut, from the moment that is asked for', async () => {
  const begun = performance.now();
  const all = await run('replay', ID, '--statement', 'cast', '--speed', '1000', '--idle', '1');
  assert.ok(performance.now() - begun < 5_000);
  assert.ok(all.written.startsWith('one two\u001B'));
  assert.doesNotMatch(all.written, /typed/u);
  assert.match(all.err, /90 columns and 30 rows/u);
  const piped = await run('replay', ID, '--statement', 'cast', '--at', '0:13');
  assert.match(piped.written, /^one two/u);
  const times = [];
  for await (const { at, code } of timed(castLines(), () => undefined)) times.push([at, code]);
  assert.deepEqual(times, [
    [1, 'o'],
    [3, 'i'],
    [3.5, 'm'],
    [13.5, 'o'],
  ]);
});

test('a session may be named by how it begins', async () => {
  assert.equal((await run('replay', '0199c0de')).code, 0);
  const none = await run('replay', 'ffff');
  assert.equal(none.code, 1);
  assert.match(none.err, /no session begins with ffff/u);
});

test('endings have their exit codes', async () => {
  assert.equal((await run('replay')).code, 2);
  assert.equal((await run('replay', 'what is it')).code, 2);
  assert.equal((await run('replay', ID, '--at', 'noon')).code, 2);
  assert.equal((await run('replay', ID, '--speed', '0')).code, 2);
  assert.equal((await run('replay', ID.replace('0', '1'))).code, 1);
  assert.equal((await run('sessions', 'end', ID)).code, 2);
  assert.equal((await run('sessions', 'stop', ID)).code, 2);
  const refused = await run('sessions', 'end', ID, '--reason', 'x');
  assert.deepEqual(
    { code: refused.code, err: refused.err },
    { code: 3, err: 'countersign: Ask one of them.' },
  );
});

test('sessions are listed', async () => {
  const { out } = await run('sessions', '--person', 'e@', '--limit', '5');
  assert.match(
    out,
    /0199c0de-.* e@example\.com +\| shop +\| psql .*2026-11-20 20:14:03 UTC +\| running/u,
  );
  assert.match(asked.at(-1) ?? '', /state=running&person=e%40&limit=5/u);
  assert.equal(JSON.parse((await run('sessions', '--json')).out)[0].id, ID);
});

test('times are since the session began', () => {
  assert.deepEqual([0, 2_345, 61_000, 3_723_000].map(clockOf), [
    '+0:00.000',
    '+0:02.345',
    '+1:01.000',
    '+1:02:03.000',
  ]);
});
