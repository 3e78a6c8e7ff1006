import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startGateway, type TestGateway } from '../fakes/gateway.ts';
import {
  B,
  codes,
  D,
  E,
  F,
  type Heard,
  P,
  Q,
  RawClient,
  run,
  S,
  told,
} from '../fakes/raw-client.ts';

const SCHEMA = `
  create table people (id int primary key, card text, born date, score int);
  insert into people select n, '411111111111' || lpad(n::text, 4, '0'), '1987-06-05', 7654321 from generate_series(1, 3) n;
  create view seen as select id, card as shown, born, score from people;
`;
const RULES = `
  @id("connect") permit (principal in Group::"engineering", action == Action::"connect", resource == Target::"shop");
  @id("all") permit (principal in Group::"engineering", action, resource in Target::"shop");
  @id("card") @mask("last4") forbid (principal, action == Action::"reveal", resource == Column::"shop/public/people/card");
  @id("born") @mask("hash") forbid (principal, action == Action::"reveal", resource == Column::"shop/public/people/born");
  @id("score") @mask("fixed:0") forbid (principal, action == Action::"reveal", resource == Column::"shop/public/people/score");
`;
const COLUMNS = 'card, born, score';
const SQL = `select ${COLUMNS} from people order by id`;
const rowsOf = (heard: readonly Heard[]): Heard[][] =>
  heard.filter(({ name }) => name === 'dataRow').map(({ fields }) => fields);

describe('masks are carried', () => {
  let gateway: TestGateway;
  let client: RawClient;
  let plain: Heard[][];
  before(async () => {
    gateway = await startGateway({ schema: SCHEMA, onlyRules: RULES });
    client = await RawClient.connect(gateway);
    plain = rowsOf(await client.ask(Q(SQL)));
    assert.equal(plain.length, 3);
    assert.deepEqual(
      plain.map(([card, , score]) => [card, score]),
      ['0001', '0002', '0003'].map((end) => [`************${end}`, '0']),
    );
  });
  after(async () => {
    client.end();
    await gateway.stop();
  });

  async function carries(...messages: readonly Buffer[]): Promise<void> {
    const heard = await client.ask(...messages);
    assert.deepEqual(codes(heard), [], told(heard));
    assert.deepEqual(rowsOf(heard), plain);
  }

  test('by aliases, views and sub-queries', async () => {
    await carries(Q('select shown as a, born as b, score as c from seen order by id'));
    await carries(Q(`select x.card, x.born, x.score from (select * from people) x order by x.id`));
    await carries(Q(`with a as materialized (${SQL}) table a`));
  });

  test('by EXECUTE of what PREPARE made', async () => {
    await client.ask(Q(`prepare carried as ${SQL}`));
    await carries(Q('execute carried'));
    await carries(run('execute carried'), S());
  });

  test('by cursors, with FETCH in either protocol', async () => {
    await client.ask(Q('begin'));
    await client.ask(Q(`declare c scroll cursor for ${SQL}`));
    await carries(Q('fetch all c'));
    await client.ask(Q('move absolute 0 c'));
    await carries(run('fetch all c'), S());
    await client.ask(Q('move absolute 0 c'));
    await carries(Q('fetch next c; fetch 2 c'));
    await client.ask(Q('commit'));
  });

  test('by portals that are executed in pieces, described or not', async () => {
    const piece = E({ portal: 'p', rows: 1 });
    await carries(P(SQL), B({ portal: 'p' }), piece, piece, piece, S());
    await carries(P(SQL), B({ portal: 'p' }), D('P', 'p'), piece, F(), E({ portal: 'p' }), S());
    await carries(P(SQL, 'named'), D('S', 'named'), B({ statement: 'named' }), E(), S());
    await carries(B({ statement: 'named' }), E(), S());
  });

  test('in binary: by a portal, and by a binary cursor', async () => {
    const open = await gateway.open();
    const { rows }: any = await open.query({ text: SQL, rowMode: 'array', binary: true } as any);
    assert.deepEqual(
      rows.map(([card, , score]: any[]) => [String(card), score]),
      ['0001', '0002', '0003'].map((end) => [`************${end}`, 0]),
    );
    await client.ask(Q('begin'));
    await client.ask(Q(`declare b binary cursor for select card, score from people order by id`));
    const heard = await client.ask(Q('fetch all b'));
    assert.deepEqual(codes(heard), [], told(heard));
    // An int is four bytes of zero.
    assert.deepEqual(rowsOf(heard)[0], ['************0001', '\0\0\0\0']);
    assert.equal(rowsOf(heard).length, 3);
    await client.ask(Q('commit'));
  });

  test('by RETURNING of a write', async () => {
    const heard = await client.ask(
      Q(`update people set id = id where id = 1 returning ${COLUMNS}`),
    );
    assert.deepEqual(codes(heard), []);
    assert.deepEqual(rowsOf(heard), plain.slice(0, 1));
  });

  test('a value that is computed from them is nothing', async () => {
    const heard = await client.ask(
      Q("select card || '', born + 1, score + 0, row(card) from people"),
    );
    const cells = rowsOf(heard).flat();
    assert.equal(cells.length, 12);
    assert.ok(cells.every((cell) => cell === null));
  });
});
