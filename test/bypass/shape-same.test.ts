import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { TestGateway } from '../fakes/gateway.ts';
import { approved, runsAlone, type Sent, startShapes } from './shape-world.ts';

let gateway: TestGateway;
before(async () => {
  gateway = await startShapes();
});
after(() => gateway?.stop());

type Case = {
  readonly name: string;
  readonly first: Sent;
  readonly same?: readonly Sent[];
  readonly others?: readonly Sent[];
  readonly words?: RegExp;
};

const CASES: readonly Case[] = [
  {
    name: 'a row by its key',
    first: `update orders set status = 'a' where id = 1`,
    same: [
      `update orders set status = 'a' where id = 2`,
      `update orders   set status = 'a'\n where id = 999 -- a comment`,
    ],
    others: [
      `update orders set status = 'b' where id = 2`,
      `update orders set status = 'a' where id = 2 or true`,
      `update orders set status = 'a' where id = 1 or true`,
      `update orders set status = 'a' where id in (1, 2)`,
      `update orders set status = 'a' where id >= 2`,
      `update orders set status = 'a' where id = '2'`,
      `update orders set status = 'a' where id = 2::int`,
      `update orders set status = 'a' where id = 3000000000`,
      `update orders set status = 'a' where id = 2 and true`,
      `update orders set status = 'a' where id = -2`,
      `update orders set status = 'a' where id = 2 returning *`,
      `update orders set status = E'a' where id = 2`,
      `update public.orders set status = 'a' where id = 2`,
      `update orders set status = 'a' where U&"id" = 2`,
      `update orders set status = 'а' where id = 2`,
      `update orders set status = 'a' where id = null`,
      `update orders set status = 'a' where id = (2)`,
      `delete from orders where id = 2`,
      { text: `update orders set status = 'a' where id = $1`, values: [2] },
    ],
    words: /any one row of shop\.public\.orders by id/,
  },
  {
    name: 'a condition beside the key stays as it is',
    first: `update orders set status = 'c' where id = 1 and total < 100000`,
    same: [`update orders set status = 'c' where id = 2 and total < 100000`],
    others: [`update orders set status = 'c' where id = 2 and total < 100001`],
  },
  {
    name: 'all columns of a key, or none',
    first: `update pairs set text = 'y' where tenant = 1 and id = 1`,
    same: [`update pairs set text = 'y' where tenant = 3 and id = 4`],
    words: /by tenant, id/,
  },
  {
    name: 'half a key frees nothing',
    first: `update pairs set text = 'z' where tenant = 1`,
    same: [`update pairs set text = 'z' where tenant = 1`],
    others: [`update pairs set text = 'z' where tenant = 2`],
    words: /exactly this statement/,
  },
  {
    name: 'a parameter that is the key',
    first: { text: `update orders set total = $1 where id = $2`, values: [5, 1] },
    same: [{ text: `update orders set total = $1 where id = $2`, values: [5, 77] }],
    others: [
      { text: `update orders set total = $1 where id = $2`, values: [6, 77] },
      {
        text: `update orders set total = $1 where id = $2 and $3::int is null`,
        values: [5, 77, null],
      },
    ],
  },
  {
    name: 'a parameter that is the key and something else',
    first: { text: `update orders set customer_id = $1 where id = $1`, values: [1] },
    same: [{ text: `update orders set customer_id = $1 where id = $1`, values: [1] }],
    others: [{ text: `update orders set customer_id = $1 where id = $1`, values: [2] }],
    words: /exactly/,
  },
  {
    name: 'a text key',
    first: `update words set n = 5 where word = 'one'`,
    same: [
      `update words set n = 5 where word = 'two'`,
      `update words set n = 5 where word = 'it''s'`,
    ],
    others: [
      `update words set n = 5 where word = 'two' collate loose`,
      `update words set n = 5 where word like 'two'`,
      `update words set n = 5 where word ilike 'two'`,
    ],
  },
  {
    name: 'a key under a looser collation frees nothing',
    first: `update words set n = 6 where word = 'one' collate loose`,
    others: [`update words set n = 6 where word = 'two' collate loose`],
    words: /exactly/,
  },
  {
    name: 'a deferred key frees nothing',
    first: `update later set n = 7 where id = 1`,
    others: [`update later set n = 7 where id = 2`],
    words: /exactly/,
  },
  {
    name: 'a key of some rows frees nothing',
    first: `update "some" set n = 7 where id = 1`,
    others: [`update "some" set n = 7 where id = 2`],
    words: /exactly/,
  },
  {
    name: 'a key that heirs do not share frees nothing',
    first: `update parent set n = 7 where id = 1`,
    others: [`update parent set n = 7 where id = 2`],
    words: /exactly/,
  },
  {
    name: 'a key that spans partitions',
    first: `update parts set n = 7 where id = 1`,
    same: [`update parts set n = 7 where id = 2`],
  },
  {
    name: 'a delete that cascades frees nothing',
    first: `delete from owner_rows where id = 1`,
    others: [`delete from owner_rows where id = 2`],
    words: /exactly/,
  },
  {
    name: 'a read frees nothing, and may be read again',
    first: `select n from secrets where id = 1`,
    same: [`select n from secrets where id = 1`],
    others: [`select n from secrets where id = 2`],
    words: /exactly/,
  },
  {
    name: 'an insert frees nothing',
    first: `insert into words (word, n) values ('three', 3) on conflict do nothing`,
    same: [`insert into words (word, n) values ('three', 3) on conflict do nothing`],
    others: [`insert into words (word, n) values ('four', 3) on conflict do nothing`],
    words: /exactly/,
  },
  {
    name: 'the key of another table frees nothing',
    first: `update orders set status = 'd' from customers c where customer_id = c.id and c.id = 1 and total < 0`,
    others: [
      `update orders set status = 'd' from customers c where customer_id = c.id and c.id = 2 and total < 0`,
    ],
    words: /exactly/,
  },
  {
    name: 'a key in a sub-query frees nothing',
    first: `update orders set status = 'e' where id = (select id from pairs where tenant = 1 and id = 1)`,
    others: [
      `update orders set status = 'e' where id = (select id from pairs where tenant = 2 and id = 1)`,
    ],
    words: /exactly/,
  },
  {
    name: 'a key behind OR frees nothing',
    first: `update orders set status = 'f' where id = 1 or id = 2`,
    others: [`update orders set status = 'f' where id = 1 or id = 3`],
    words: /exactly/,
  },
];

for (const { name, first, same = [], others = [], words } of CASES)
  test(name, async () => {
    const client = await gateway.open();
    const request = await approved(gateway, client, first);
    assert.match(request.card.shape.words, words ?? /any one row/, name);
    for (const one of same)
      assert.equal(await runsAlone(gateway, client, one), true, JSON.stringify(one));
    for (const one of others)
      assert.equal(await runsAlone(gateway, client, one), false, JSON.stringify(one));
    await client.end();
  });

const NO_SHAPE: readonly (readonly [string, string])[] = [
  ['triggers of an owner', 'update watched set n = 1 where id = 1'],
  ['row-level security', 'update policed set n = 1 where id = 1'],
  ['a function of an owner', "update words set n = one() where word = 'one'"],
  ['a rule without @shape', 'update strict set n = 1 where id = 1'],
  [
    'several statements',
    `update words set n = 1 where word = 'one'; update words set n = 2 where word = 'two'`,
  ],
];

for (const [name, sql] of NO_SHAPE)
  test(`no shape can be approved: ${name}`, async () => {
    const client = await gateway.open();
    const { rows } = await gateway.storeSql.query('select id from countersign.request');
    const answer = client.query(sql).catch((error: unknown) => error);
    const { id } = await gateway.pending(rows.map((row) => row.id));
    const { body } = await gateway.api('approver', `/requests/${id}`);
    assert.equal(body.card.shape, undefined);
    const vote = { decision: 'approve', reason: 'x', shape: true };
    const refused = await gateway.api('approver', `/requests/${id}/decision`, vote);
    assert.equal(refused.status, 422);
    assert.equal(refused.body.code, 'no-shape');
    await gateway.api('approver', `/requests/${id}/decision`, { decision: 'deny', reason: 'no' });
    await answer;
    await client.end();
  });
