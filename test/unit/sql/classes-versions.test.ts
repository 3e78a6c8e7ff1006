import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { without } from '../../fakes/need.ts';
import { startOlder } from '../../fakes/older-postgres.ts';
import { inFull } from './classes-brief.ts';
import { corpus } from './corpus.ts';
import { brief, type TestTarget, startTarget } from './target.ts';

/** What 16 to 18 brought: 15 says no when it is asked what the statement would do, or when it is to run it. */
const NEWER = new Set([
  // Refused because 15 cannot tell what it would do.
  "select * from json_table('[{\"a\": 1}]'::jsonb, '$[*]' columns (a int path '$.a'))",
  'insert into orders (id) overriding system value values (1) returning old.id, new.id',
  "update orders set status = 'paid' returning with (old as o, new as n) o.status, n.status",
  "merge into orders o using customers c on o.customer_id = c.id when matched then update set status = 'x' when not matched by source then delete returning merge_action(), o.id",
]);

describe('the same statements on PostgreSQL 15', { skip: without('postgres-15') }, () => {
  let target: TestTarget;
  before(async () => {
    target = await startTarget(startOlder());
    await target.sql(
      `create function dblink(text, text) returns setof record language sql as 'select 1'`,
    );
  });
  after(() => target.close());

  it('its server is one', async () => {
    const client = await target.session();
    const { rows } = await client.query('show server_version_num');
    await client.end();
    assert.match(rows[0].server_version_num, /^15/);
  });

  for (const { node, cases } of corpus)
    for (const { sql, expected } of cases)
      it(`${node}: ${sql}`, async () => {
        const found = await target.analyse(sql);
        if (NEWER.has(sql)) assert.match(brief(found), /^refused not-resolved 42/);
        else assert.deepEqual(inFull(found), expected);
      });

  // What 15 reads otherwise than the parser of 18 does: each is refused here, or there, or means the same.
  const read: readonly (readonly [sql: string, expected: string])[] = [
    // A word that 16 reserves is a column's name to 15, quoted or not.
    ['select system_user from named', 'select read named -> named.system_user='],
    ['select "system_user" from named', 'select read named -> named.system_user='],
    // Numbers: 15 reads no underscores and no other bases.
    ['select 1_000 from orders', 'refused not-resolved 42601'],
    ['select 0x1F from orders', 'refused not-resolved 42601'],
    ['select id from orders limit 1_0', 'refused not-resolved 42601'],
    // Functions of an owner's own that are syntax since 16 and 17: 15 tells what they are.
    [
      'select json_scalar(id) from orders',
      'select read orders, execute json_scalar -> orders.id | reveal orders.id ! opaque ruled',
    ],
    [
      'select json_serialize(status) from orders',
      'select read orders, execute json_serialize -> orders.status | reveal orders.status ! opaque ruled',
    ],
    [
      'create index on orders (json_scalar(id))',
      'create-index define orders, execute json_scalar, execute json_serialize | filter orders.id ! opaque defines ruled',
    ],
    [
      'alter table orders add check (json_serialize(status) is not null)',
      'alter-table define orders, execute json_scalar, execute json_serialize | filter orders.status ! opaque defines ruled',
    ],
    [
      'alter table named add check (system_user is not null)',
      'alter-table define named | filter named.system_user ! defines ruled',
    ],
    [
      'call clean(json_scalar(1)::int)',
      'call execute clean, execute json_scalar ! unbounded opaque ruled',
    ],
    [
      'do $$ begin perform json_scalar(id) from orders; end $$',
      'do administer *, read orders, execute json_scalar | reveal orders.id ! opaque ruled',
    ],
    // SQL/JSON and ANY_VALUE of 16, MERGE … RETURNING of 17.
    ["select json_object('a': 1)", 'refused not-resolved 42601'],
    ['select json_array(1, 2)', 'refused not-resolved 42883'],
    ['select any_value(id) from orders', 'refused not-resolved 42883'],
    ["select '1' is json", 'refused not-resolved 42601'],
    [
      'explain (generic_plan) select id from orders where id = $1',
      'explain read orders -> - | filter orders.id',
    ],
  ];
  it('knows an owner’s functions of names that are syntax now', async () => {
    await target.sql(`create table named ("system_user" text);
      create function json_scalar(i int) returns text language sql immutable as $$ select 'x' $$;
      create function json_serialize(t text) returns text language sql immutable as $$ select 'x' $$`);
  });
  for (const [sql, expected] of read)
    it(`reads ${sql}`, async () => {
      assert.equal(brief(await target.analyse(sql, { fresh: true })), expected);
    });
});
