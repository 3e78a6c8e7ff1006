import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type pg from 'pg';
import { startGateway, type TestGateway } from '../fakes/gateway.ts';

/** Type → a value that nobody may see, as SQL, and what of its text must never show. */
const VALUES: Readonly<Record<string, readonly [sql: string, never: RegExp]>> = {
  int2: ['-12345', /12345/],
  int4: ['1234567890', /234567890/],
  int8: ['9123456789012345678', /23456789/],
  'numeric(12,3)': ['-123456789.125', /3456789/],
  numeric: ['98765432109876543210987654321.12345', /9876543210/],
  float4: ['1234.5', /1234/],
  float8: ['-1234567.890625', /1234567/],
  bool: ['true', /t/],
  uuid: ["'7d9f2c1e-4b3a-4f6d-9e8c-0a1b2c3d4e5f'", /7d9f2c1e|9e8c/],
  date: ["'1987-06-05'", /1987/],
  timestamp: ["'1987-06-05 12:13:14.156'", /1987/],
  timestamptz: ["'1987-06-05 12:13:14.156+02'", /1987/],
  time: ["'12:13:14'", /12:13/],
  interval: ["'3 days 4 hours'", /3 days/],
  text: ["'ann.smith@example.com'", /smith/],
  'varchar(30)': ["'ann.smith@example.com'", /smith/],
  'char(30)': ["'ann.smith@example.com'", /smith/],
  name: ["'ann.smith@example.com'", /smith/],
  bytea: ["'ann.smith@example.com'::bytea", /smith|736d697468/],
  json: [`'{ "mail": ["ann.smith@example.com", 12345678, true], "n": null }'`, /smith|345678|true/],
  jsonb: [`'{"mail": ["ann.smith@example.com", 12345678, true], "n": null}'`, /smith|345678|true/],
  'int4[]': ["'[0:2]={11111111,NULL,22222222}'", /1111111|2222222/],
  'text[]': [`'{"ann.smith@example.com",NULL,"a \\"b\\\\ {c}, long enough"}'`, /smith|long en/],
  'numeric(8,2)[]': ["'{{123456.78},{-223456.78}}'", /3456/],
  'uuid[]': ["'{7d9f2c1e-4b3a-4f6d-9e8c-0a1b2c3d4e5f}'", /7d9f2c1e/],
  'jsonb[]': [`array['{"mail": "ann.smith@example.com"}'::jsonb]`, /smith/],
  'bytea[]': ["array['ann.smith@example.com'::bytea]", /smith|736d697468/],
  'date[]': ["'{1987-06-05}'", /1987/],
  'bool[]': ["'{t,f,t}'", /t/],
  mood: ["'gloomy'", /gloomy/],
  'mood[]': ["'{gloomy,sunny}'", /gloomy|sunny/],
  mail: ["'ann.smith@example.com'", /smith/],
  'mail[]': ["'{ann.smith@example.com}'", /smith/],
  percent: ["'77'", /77/],
  pair: ["row('ann.smith@example.com', 12345678)", /smith|345678/],
  int4range: ["'[12345,23456)'", /12345|23456/],
  inet: ["'192.168.17.4'", /192/],
  point: ["'(12345,23456)'", /12345/],
  money: ["'12345.67'", /12,?345/],
  xml: ["'<a>ann.smith@example.com</a>'", /smith/],
  bit: ["'1'", /1/],
  hstorelike: ["'ann.smith@example.com'", /smith/],
};
const TYPES = Object.keys(VALUES);
const MASKS: Readonly<Record<string, string>> = {
  m_null: 'null',
  m_text: 'fixed:gone',
  m_zero: 'fixed:0',
  m_day: 'fixed:2000-01-01',
  m_uuid: 'fixed:00000000-0000-0000-0000-000000000000',
  m_json: 'fixed:{"a": 1}',
  m_hash: 'hash',
  m_last: 'last4',
  m_email: 'email',
};
const column = (i: number): string => `c${i}`;

const SCHEMA = `
  create type mood as enum ('gloomy', 'sunny', 'gone');
  create domain mail as text check (length(value) > 0);
  create domain hstorelike as varchar(40);
  create domain percent as int2;
  create type pair as (a text, b int);
  ${Object.keys(MASKS)
    .map(
      (table) =>
        `create table ${table} (${TYPES.map((type, i) => `${column(i)} ${type}`).join(', ')});
         insert into ${table} values (${TYPES.map((type) => VALUES[type]?.[0]).join(', ')});`,
    )
    .join('\n')}
  create table found (id int, note text, num int8, doc jsonb, parts text[], raw bytea, dec numeric);
  insert into found values
    (1, 'ask ann.smith@example.com', 4111111111111111, '{"k": "ann.smith@example.com", "ann.smith@example.com": 1, "n": 5}',
     '{plain,ann.smith@example.com}', 'to ann.smith@example.com', 4111111111111111),
    (2, 'nothing', 42, '{"k": "plain"}', '{plain}', '\\xff00fe', 1.5);
`;
const RULES = `
  @id("all") permit (principal in Group::"engineering", action, resource in Target::"shop");
  @id("connect") permit (principal in Group::"engineering", action == Action::"connect", resource == Target::"shop");
  ${Object.entries({ ...MASKS, found: 'detect' })
    .map(
      ([table, mask]) =>
        `@id("${table}") @mask("${mask.replaceAll('"', '\\"')}") forbid (principal, action == Action::"reveal", resource in Table::"shop/public/${table}");`,
    )
    .join('\n')}
`;

const raw = { getTypeParser: () => (value: unknown) => value };

describe('masked values of every type', () => {
  let gateway: TestGateway;
  let client: pg.Client;
  before(async () => {
    gateway = await startGateway({ schema: SCHEMA, onlyRules: RULES });
    client = await gateway.open();
  });
  after(() => gateway.stop());

  async function rowsOf(
    text: string,
    binary: boolean,
    types?: pg.CustomTypesConfig,
  ): Promise<unknown[][]> {
    const config: pg.QueryArrayConfig & { binary: boolean } = {
      text,
      rowMode: 'array',
      binary,
      ...(types && { types }),
    };
    return (await client.query<unknown[]>(config)).rows;
  }

  async function row(table: string, binary: boolean, names = '*'): Promise<unknown[]> {
    const [first] = await rowsOf(`select ${names} from ${table}`, binary, raw);
    return first ?? [];
  }

  /** The value as the type's own text, past the gateway: it is accepted, or this fails. */
  async function accepted(value: unknown, type: string): Promise<string> {
    const { rows } = await gateway.targetSql.query(`select ($1::${type})::text as text`, [value]);
    return rows[0].text;
  }

  for (const table of Object.keys(MASKS))
    test(`${MASKS[table]} is valid in both formats, the same in both, and shows nothing`, async () => {
      const [text, binary] = [await row(table, false), await row(table, true)];
      assert.equal(text.length, TYPES.length);
      for (const [i, type] of TYPES.entries()) {
        const what = `${MASKS[table]} of ${type}: ${String(text[i])}`;
        assert.equal(text[i] === null, binary[i] === null, what);
        if (text[i] === null) continue;
        const shown = await accepted(text[i], type);
        assert.equal(await accepted(binary[i], type), shown, what);
        assert.doesNotMatch(shown, VALUES[type]?.[1] ?? /^/, what);
      }
    });

  const KEPT: Readonly<Record<string, readonly string[]>> = {
    m_null: [],
    m_text:
      'text varchar(30) char(30) name bytea text[] bytea[] mood mood[] mail mail[] hstorelike'.split(
        ' ',
      ),
    m_zero:
      'int2 int4 int8 numeric(12,3) numeric float4 float8 text varchar(30) char(30) name bytea json jsonb int4[] text[] numeric(8,2)[] jsonb[] bytea[] mail mail[] percent hstorelike'.split(
        ' ',
      ),
    m_hash:
      'int2 int4 int8 numeric(12,3) numeric float4 float8 uuid date timestamp timestamptz text varchar(30) char(30) name bytea json jsonb int4[] text[] numeric(8,2)[] uuid[] jsonb[] bytea[] date[] mail mail[] percent hstorelike'.split(
        ' ',
      ),
    m_last:
      'int2 int4 int8 numeric(12,3) numeric uuid text varchar(30) char(30) name json jsonb int4[] text[] numeric(8,2)[] uuid[] jsonb[] mail mail[] percent hstorelike'.split(
        ' ',
      ),
    m_email:
      'text varchar(30) char(30) name json jsonb text[] jsonb[] mail mail[] hstorelike'.split(' '),
  };
  for (const [table, types] of Object.entries(KEPT))
    test(`${MASKS[table]} gives NULL for all types but those that stay valid`, async () => {
      const cells = await row(table, false);
      const shown = TYPES.filter((_, i) => cells[i] !== null);
      assert.deepEqual(shown.toSorted(), types.toSorted());
    });

  test('a hash is of the same kind as the value, and the same each time', async () => {
    const cells = new Map(TYPES.map((type, i) => [type, i]));
    const of = (from: unknown[], type: string): string => String(from[cells.get(type) ?? -1]);
    const first = await row('m_hash', false);
    assert.deepEqual(await row('m_hash', false), first);
    assert.match(of(first, 'int2'), /^-[1-3]\d{4}$/);
    assert.match(of(first, 'int4'), /^[12]\d{9}$/);
    assert.match(of(first, 'int8'), /^[1-9]\d{18}$/);
    assert.match(of(first, 'numeric(12,3)'), /^-[1-9]\d{8}\.\d{3}$/);
    assert.match(
      of(first, 'uuid'),
      /^[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/,
    );
    assert.match(of(first, 'date'), /^(19[5-9]|20[01])\d-\d\d-\d\d$/);
    assert.match(of(first, 'text'), /^h_[\w-]{24}$/);
    assert.equal(of(first, 'varchar(30)'), of(first, 'text'));
    assert.equal(of(first, 'char(30)'), of(first, 'text'));
    assert.match(of(first, 'int4[]'), /^\[0:2\]=\{[1-9]\d{7},NULL,[1-9]\d{7}\}$/);
    const doc = JSON.parse(of(first, 'json'));
    assert.equal(doc.mail[0], of(first, 'text'));
    assert.equal(doc.mail[2], null);
  });

  test('the last digits of a number are kept, at most a quarter, and the rest is 0', async () => {
    const cells = await row('m_last', false);
    const of = (type: string): unknown => cells[TYPES.indexOf(type)];
    assert.equal(of('int2'), '5');
    assert.equal(of('int4'), '90');
    assert.equal(of('int8'), '5678');
    assert.equal(of('numeric(12,3)'), '0.125');
    assert.equal(of('uuid'), '00000000-0000-0000-0000-000000004e5f');
    assert.equal(of('int4[]'), '[0:2]={11,NULL,22}');
  });

  for (const binary of [false, true])
    test(`detectors look into every type, in ${binary ? 'binary' : 'text'}`, async () => {
      const text = 'select note, num, doc, parts, raw, dec from found order by id';
      const found = await rowsOf(text, binary);
      const [hit, plain] = found;
      const [note, num, doc, parts, bytes, dec] = hit ?? [];
      assert.equal(note, 'ask [email]');
      assert.equal(num, null);
      assert.equal(dec, null);
      assert.deepEqual(Buffer.isBuffer(bytes) && bytes.toString(), 'to [email]');
      if (!binary) {
        assert.deepEqual(doc, { k: '[email]', '[email]': 1, n: 5 });
        assert.deepEqual(parts, ['plain', '[email]']);
        assert.deepEqual(plain, [
          'nothing',
          '42',
          { k: 'plain' },
          ['plain'],
          Buffer.from('ff00fe', 'hex'),
          '1.5',
        ]);
      }
      assert.doesNotMatch(JSON.stringify(found), /smith|736d697468|4111111/);
    });
});
