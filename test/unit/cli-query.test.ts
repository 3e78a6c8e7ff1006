import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import { gatewayAddress, type DemoFile } from '#cli/connection.ts';
import { jsonText, tlsOptions } from '#cli/query.ts';
import { describe as describeError, startupOptions } from '#cli/session.ts';
import { displayWidth, renderCsv, renderTable } from '#cli/table.ts';
import { holdEnds, isHold, timeText } from '#cli/waiting.ts';

const demo: DemoFile = {
  postgres: { host: '127.0.0.1', port: 7432 },
  people: { engineer: { email: 'engineer@example.com', token: 'secret' } },
};
const address = { host: '127.0.0.1', port: 6432, user: 'x', token: 'y' };

test('a table aligns wide characters, puts numbers right and shows NULL', () => {
  const lines = renderTable(
    [
      { name: 'n', numeric: true },
      { name: 'city', numeric: false },
    ],
    [
      ['7', '東京'],
      ['1234', null],
      [null, 'é'],
    ],
  );
  assert.deepEqual(lines, [
    '    n | city',
    '------+------',
    '    7 | 東京',
    ' 1234 | NULL',
    ' NULL | é',
  ]);
  assert.equal(displayWidth('東京'), 4);
  assert.equal(displayWidth('e\u0301'), 1);
});

test('a table that is wider than the terminal is printed value by value', () => {
  const style = { width: 10, head: (t: string) => t, none: (t: string) => `<${t}>` };
  const columns = ['id', 'description'].map((name) => ({ name, numeric: false }));
  assert.deepEqual(renderTable(columns, [['1', null]], style), [
    '-[ row 1 ]-',
    'id          | 1',
    'description | <NULL>',
  ]);
});

test('a value cannot send control sequences to the terminal through a table', () => {
  const lines = renderTable(
    [{ name: 'a\u001B[2J', numeric: false }],
    [['\u001B]0;x\u0007\n\u202E']],
  );
  assert.doesNotMatch(lines.join(''), /[\p{Cc}\u202E]/u);
});

test('CSV quotes what needs it and tells NULL from the empty text', () => {
  const columns = ['q', 'e', 'z'].map((name) => ({ name, numeric: false }));
  assert.deepEqual(renderCsv(columns, [['a,"b"', '', null]]), ['q,e,z', '"a,""b""","",']);
});

const column = (name: string, type: number, numeric: boolean) => ({ name, type, numeric });

test('JSON rows keep exact numbers as text and never lose a column to its namesake', () => {
  const columns = [
    column('n', 20, true),
    column('n', 20, true),
    column('d', 1700, true),
    column('b', 16, false),
    column('__proto__', 25, false),
    column('j', 3802, false),
  ];
  const rows = [['7', '9223372036854775807', '2.5', 't', 'x', '***masked']];
  const parsed: unknown = JSON.parse(jsonText([{ command: 'SELECT', rowCount: 1, columns, rows }]));
  assert.deepEqual(
    parsed,
    JSON.parse(
      '[{"n":7,"n_2":"9223372036854775807","d":"2.5","b":true,"__proto__":"x","j":"***masked"}]',
    ),
  );
});

test('several statements give one JSON array each, and one without rows says what it did', () => {
  const update = { command: 'UPDATE', rowCount: 1, columns: [], rows: [] };
  assert.deepEqual(JSON.parse(jsonText([update, update])), [
    { command: 'UPDATE', rows: 1 },
    { command: 'UPDATE', rows: 1 },
  ]);
  assert.deepEqual(JSON.parse(jsonText([update])), { command: 'UPDATE', rows: 1 });
});

function databaseError(code: string, message: string, detail?: string): pg.DatabaseError {
  return Object.assign(new pg.DatabaseError(message, 0, 'error'), { code, detail });
}

const exit = (error: unknown, cancelled = false) => describeError(error, address, cancelled).exit;

test('the exit code tells a rule’s refusal, an ended request and a failure of the target apart', () => {
  assert.equal(exit(databaseError('42501', 'countersign: no', 'Refused by rule r.')), 3);
  assert.equal(
    exit(databaseError('0A000', 'countersign: no', 'Refused by rule countersign/x.')),
    3,
  );
  assert.equal(
    exit(databaseError('42501', 'countersign: denied by a', 'Held by rule r; request 1.')),
    3,
  );
  assert.equal(exit(databaseError('57014', 'countersign: nobody decided', 'Held by rule r.')), 4);
  assert.equal(
    exit(databaseError('57P01', 'countersign: the gateway stops', 'Held by rule r.')),
    4,
  );
  assert.equal(exit(databaseError('57014', 'canceling statement'), true), 4);
  assert.equal(exit(databaseError('57014', 'canceling statement due to statement timeout')), 1);
  assert.equal(exit(databaseError('42501', 'permission denied for table x')), 1);
  assert.equal(
    exit(
      databaseError('42703', 'countersign: no column', 'Refused by rule countersign/not-resolved.'),
    ),
    1,
  );
  assert.equal(exit(databaseError('58000', 'countersign: not recorded')), 1);
  assert.equal(exit(databaseError('40001', 'countersign: changed', 'Held by rule r.')), 1);
});

test('a gateway that does not answer is named with its address and the next step', () => {
  const refused = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
  const failure = describeError(refused, address, false);
  assert.match(failure.message, /127\.0\.0\.1:6432/);
  assert.match(failure.hint ?? '', /countersign serve/);
});

test('options win over the environment, and the environment over the demo', () => {
  assert.deepEqual(gatewayAddress({}, demo, {}), {
    host: '127.0.0.1',
    port: 7432,
    user: 'engineer@example.com',
    token: 'secret',
  });
  const env = { token: 't', user: 'me@example.com', host: 'gw', port: '1' };
  assert.deepEqual(gatewayAddress({}, demo, env), {
    host: 'gw',
    port: 1,
    user: 'me@example.com',
    token: 't',
  });
  assert.equal(gatewayAddress({ port: '2', token: 'o', as: 'engineer' }, demo, env).token, 'o');
  assert.equal(gatewayAddress({ port: '2' }, demo, env).port, 2);
});

test('a token without a person, no token at all and a stranger to the demo are usage failures', () => {
  assert.throws(() => gatewayAddress({ token: 't' }, demo, {}), { exit: 2 });
  assert.throws(() => gatewayAddress({}, undefined, {}), { exit: 2 });
  assert.throws(() => gatewayAddress({ as: 'nobody' }, demo, {}), { exit: 2, hint: /engineer/ });
  assert.throws(() => gatewayAddress({ port: '70000' }, demo, {}), { exit: 2 });
});

test('beyond this machine the gateway must prove who it is, unless told otherwise', async () => {
  assert.equal(await tlsOptions(undefined, undefined, '127.0.0.1'), false);
  for (const host of ['gw.example.com', '127.example.com', '10.0.0.1'])
    assert.deepEqual(
      await tlsOptions(undefined, undefined, host).then((o) => o && o.rejectUnauthorized),
      true,
    );
  await assert.rejects(tlsOptions('maybe', undefined, 'gw'), { exit: 2 });
});

test('a reason with spaces and backslashes survives the startup options', () => {
  assert.equal(
    startupOptions({ 'countersign.reason': 'a b\\c' }),
    '-c countersign.reason=a\\ b\\\\c',
  );
});

test('a hold’s notice is known by its words, and its end is read from the detail', () => {
  const detail =
    'one of group dba can release it until 2026-11-20T22:00:00.000Z; Ctrl-C withdraws it.';
  assert.ok(isHold({ message: 'countersign: held by rule r: m' }));
  assert.ok(!isHold({ message: 'held by rule' }));
  assert.equal(holdEnds({ detail }), Date.UTC(2026, 10, 20, 22));
  assert.equal(timeText(0, 900_000, 57_000), '14:03 left');
  assert.equal(timeText(0, 4_000_000, 0), '1:06:40 left');
  assert.equal(timeText(0, undefined, 5_000), '0:05 so far');
});
