import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { outcome, type Who } from '../fakes/gateway.ts';
import { serialize } from 'pg-protocol';
import { Q, RawClient } from '../fakes/raw-client.ts';
import { CANARY, startRecorded, type World } from './recordings-world.ts';

/** node-postgres then asks for every result in binary. */
const BINARY: object = { binary: true };

/** Ways in which a value of a hidden column could come into a recording. `security` may see it, `engineer` may not. */
const WAYS: readonly (readonly string[])[] = [
  ['select * from vault'],
  ['select code from vault where id = 1'],
  ['select upper(code) as x, code || half as y, left(half, 3) from vault'],
  ['select v from (select code as v from vault) as inner_one'],
  ['select to_jsonb(v) from vault v', 'select v from vault v', 'select array_agg(code) from vault'],
  ['select string_agg(code, chr(44)) over () from vault limit 1'],
  ['select count(*) from vault; select code from vault; select 1'],
  ['begin', 'declare c cursor for select code, half from vault', 'fetch all from c', 'commit'],
  ['prepare p as select code from vault', 'execute p'],
  [
    `select id from vault where code = '${CANARY} 1'`,
    `explain select id from vault where code = '${CANARY} 2'`,
  ],
  ['select code::int from vault', 'select 1 / (length(code) - length(code)) from vault'],
  ['select loud(code) from vault', 'select loud(half) from vault where id = 3'],
  [`update vault set code = code || 'x' where id = 5 returning code`],
  [`insert into vault values (6, 'n', '${CANARY} six', '${CANARY} six') returning *`],
  [`insert into vault values (6, 'n', '${CANARY} six', '${CANARY} six')`],
  [`delete from vault where id = 6 returning code`],
  [
    'copy vault to stdout',
    'copy (select code, half from vault) to stdout (format csv)',
    'copy vault to stdout (format binary)',
  ],
  [
    `set countersign.reason = 'nothing'`,
    `select set_config('x.y', (select code from vault where id = 1), false)`,
  ],
];

describe('a column that some rule hides is in no recording', () => {
  let world: World;
  before(async () => {
    world = await startRecorded();
  });
  after(() => world.stop());

  const nothing = async (who: Who): Promise<void> => {
    const said = JSON.stringify(await world.recorded(who));
    assert.ok(said.includes('"statement"'), 'it was recorded');
    assert.equal(
      said.includes('zebra'),
      false,
      said.slice(Math.max(0, said.indexOf('zebra') - 300)).slice(0, 500),
    );
    assert.equal(said.includes(Buffer.from('zebra').toString('hex')), false);
  };

  for (const who of ['engineer', 'security'] as const)
    for (const [i, way] of WAYS.entries())
      test(`${who}: ${way[0]?.slice(0, 70)} (${i})`, async () => {
        const client = await RawClient.connect(world.gateway, who);
        for (const statement of way) await client.ask(Q(statement));
        client.end();
        await nothing(who);
      });

  for (const who of ['engineer', 'security'] as const)
    test(`${who}: prepared statements, in binary, in pieces, described or not`, async () => {
      const client = await world.gateway.open(who, BINARY);
      await outcome(client.query('select code, half, id from vault where id > $1', [0]));
      await outcome(client.query({ name: 'again', text: 'select half from vault' }));
      await outcome(client.query({ name: 'again', text: 'select half from vault' }));
      await client.end();
      await nothing(who);
    });

  test('what security copies in is counted, and nobody reads it', async () => {
    const client = await RawClient.connect(world.gateway, 'security');
    await client.ask(Q('begin'));
    client.send(Q('copy vault from stdin'));
    await client.until('copyInResponse', 'error');
    const row = Buffer.from(`77\tn\t${CANARY} in\t${CANARY} in\n`);
    await client.ask(serialize.copyData(row), serialize.copyDone());
    await client.ask(Q('rollback'));
    client.end();
    await nothing('security');
    const sent = (await world.recorded('security')).filter(({ k }) => k === 'sent');
    assert.equal(sent.length, 1);
  });

  test('security did get the values, so this was no test of nothing', async () => {
    const client = await world.gateway.open('security');
    const { rows } = await client.query('select code from vault where id = 1');
    assert.equal(rows[0].code, `${CANARY} 1`);
    await client.end();
  });

  test('and the log verifies', () => world.gateway.verify());
});

const FREE = `
  @id("all") permit (principal in Group::"dba", action, resource);
  @id("theirs") forbid (principal in Group::"oncall", action == Action::"reveal", resource == Column::"shop/public/vault/code");
`;

describe('who is limited by no rule', () => {
  test('gets values that are hidden from others, and none of them is recorded', async () => {
    const world = await startRecorded({ onlyRules: FREE });
    after(() => world.stop());
    const client = await RawClient.connect(world.gateway, 'approver');
    const heard = await client.ask(Q('select code from vault; select 1/0'));
    assert.ok(heard.some((one) => one.fields?.[0] === `${CANARY} 1`));
    for (const way of WAYS.flat()) await client.ask(Q(way));
    client.end();
    const events = await world.recorded('approver');
    const said = JSON.stringify(events);
    assert.equal(
      said.includes('zebra'),
      false,
      said.slice(Math.max(0, said.indexOf('zebra') - 300)).slice(0, 500),
    );
    const rest = events.find(({ k }) => k === 'rest');
    assert.equal(rest?.k === 'rest' && rest.rows, 5);
    await world.gateway.verify();
  });

  test('is recorded row by row where nothing is hidden from anybody', async () => {
    const world = await startRecorded({ onlyRules: FREE.split('\n').slice(0, 2).join('\n') });
    after(() => world.stop());
    const client = await world.gateway.open('approver', BINARY);
    await client.query('select id, v from brief where id < $1 order by id', [3]);
    await client.query('select * from lots');
    await outcome(client.query('select * from nowhere'));
    await client.end();
    const events = await world.recorded('approver');
    const rows = events.flatMap((event) => (event.k === 'row' ? [event.cells] : []));
    assert.deepEqual(rows.slice(0, 2), [
      ['1', 'brief1'],
      ['2', 'brief2'],
    ]);
    assert.equal(rows.length, 1_002);
    const kinds = [...new Set(events.map(({ k }) => k))];
    assert.deepEqual(kinds, ['statement', 'columns', 'row', 'end', 'rest', 'error']);
  });
});
