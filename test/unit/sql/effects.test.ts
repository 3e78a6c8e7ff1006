import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { type TestTarget, brief, isRuled, startTarget } from './target.ts';

// Statement, `=>`, then class, accesses, `->` base columns of each output (`=` verbatim), `|` column uses, `!` flags.
const groups = readFileSync(new URL('effects.txt', import.meta.url), 'utf8')
  .split(/^## /m)
  .filter((group) => group !== '')
  .map((group) => {
    const [title = '', ...lines] = group.split('\n');
    const found = lines.join('\n').matchAll(/^(.+)\n {2}=> (.*)$/gm);
    const cases = [...found].map(([, sql = '', expected = '']) => ({ sql, expected }));
    return { title, cases };
  });

describe('the effect of SQL', () => {
  let target: TestTarget;
  before(async () => {
    target = await startTarget();
  });
  after(() => target.close());

  for (const { title, cases } of groups)
    for (const { sql, expected } of cases)
      it(`${title}: ${sql}`, async () => {
        assert.equal(brief(await target.analyse(sql)), expected);
      });

  it('every group of the table has its cases', () => {
    assert.equal(groups.length, 11);
    assert.ok(groups.flatMap(({ cases }) => cases).length > 200);
  });

  const masked: readonly (readonly [
    sql: string,
    text: string,
    hidesWrite: boolean,
    params?: readonly string[],
  ])[] = [
    [
      `update orders set status = 'paid' where id = 42`,
      `update orders set status = 'paid' where id = 42`,
      false,
    ],
    [
      `update customers set name = 'O''Brien', ssn = '123' where id = 42 /* ssn 999 */ -- 998`,
      `update customers set name = 'O''Brien', ssn = '•••' where id = 42`,
      true,
    ],
    [
      `insert into customers (id, name, ssn) values (1, 'ä', '1'), (2, E'b\\'', '2')`,
      `insert into customers (id, name, ssn) values (1, 'ä', '•••'), (2, E'b\\'', '•••')`,
      true,
    ],
    [
      `select 'é', name from customers where ssn in ('1', '2') and id = any (array[3, 4]) and name like 'x%' limit 5`,
      `select '•••', name from customers where ssn in ('•••', '•••') and id = any (array[3, 4]) and name like 'x%' limit 5`,
      false,
    ],
    [
      `select lower(ssn) = $tag$secret$tag$ from customers`,
      `select lower(ssn) = '•••' from customers`,
      false,
    ],
    [
      `select * from (select ssn as id from customers) c where id = '7'`,
      `select * from (select ssn as id from customers) c where id = '•••'`,
      false,
    ],
    [`select get_ssn(7)`, `select get_ssn(•••)`, true],
    [
      `update contacts set nid = '1' where id = 3`,
      `update contacts set nid = '•••' where id = 3`,
      true,
    ],
    [
      `update orders set status = 'bob@example.com' where id = 1`,
      `update orders set status = '•••' where id = 1`,
      true,
    ],
    [`alter role app password 'secret'`, `alter role app password '•••'`, true],
    [
      `update customers set ssn = $1, name = $2 where id = $3`,
      `update customers set ssn = $1, name = $2 where id = $3\n-- $1 = '•••', $2 = 'it''s', $3 = '4'`,
      true,
      ['123', `it's`, '4'],
    ],
    [
      `select 1; update customers set ssn = '1' where id = 2`,
      `select 1; update customers set ssn = '•••' where id = 2`,
      true,
    ],
    [
      `prepare q as select ssn from customers where ssn = $1; execute q('9')`,
      `prepare q as select ssn from customers where ssn = $1; execute q('•••')`,
      false,
    ],
  ];
  for (const [sql, text, hidesWrite, params] of masked)
    it(`others read of ${sql}`, async () => {
      const found = (await target.analyse(sql)).masker(isRuled)(params);
      assert.deepEqual({ text: found.text, hidesWrite: found.hidesWrite }, { text, hidesWrite });
    });

  const words = async (sql: string): Promise<readonly string[]> =>
    (await target.analyse(sql)).masker(isRuled)().words;
  it('words say what bounds a write, without the literals that are hidden', async () => {
    assert.deepEqual(
      await words('update orders set status = 1 where id = 42 /* x */ and\n true returning id'),
      ['updates shop.public.orders, bounded by id = 42 and true'],
    );
    assert.deepEqual(await words(`delete from customers where ssn = '1' and id = 3`), [
      `deletes from shop.public.customers, bounded by ssn = '•••' and id = 3`,
    ]);
    assert.deepEqual(await words('delete from customers'), [
      'deletes from shop.public.customers, without a bound',
    ]);
  });
});
