import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { loadPolicy } from '#src/policy/load.ts';
import { known, problemsOf } from './world.ts';

const reveal = (when: string) =>
  `@id("r") forbid (principal, action == Action::"reveal", resource) ${when};`;
const head = (action: string, resource: string) =>
  `@id("r") forbid (principal, action == Action::"${action}", resource ${resource});`;

suite('names are checked against what there is, and the nearest one is told', () => {
  const names = {
    ...known,
    targets: ['shop'],
    environments: ['production', 'staging'],
    schemas: ['shop/public', 'shop/pg_catalog', 'shop/empty'],
    tables: ['shop/public/customers', 'shop/public/orders', 'shop/pg_catalog/pg_authid'],
    columns: ['shop/public/customers/ssn', 'shop/public/customers/email', 'shop/public/orders/id'],
    functions: ['shop/public/refund', 'shop/pg_catalog/pg_sleep'],
  };

  for (const [where, text, hint] of [
    [
      'a column in the head',
      head('reveal', '== Column::"shop/public/customers/snn"'),
      /customers\/ssn/,
    ],
    [
      'a column in ==',
      reveal('when { resource == Column::"shop/public/customers/emial" }'),
      /email/,
    ],
    ['a table in `in`', reveal('when { resource in Table::"shop/public/custmers" }'), /customers/],
    [
      'one of a set in `in`',
      reveal('when { resource in [Table::"shop/public/orders", Table::"shop/public/order"] }'),
      /orders/,
    ],
    [
      'one of a set in .contains',
      reveal('when { [Column::"shop/public/customers/sn"].contains(resource) }'),
      /customers\/ssn/,
    ],
    ['in unless', reveal('unless { resource in Schema::"shop/publc" }'), /shop\/public/],
    [
      'within if',
      reveal('when { if resource in Schema::"shop/publc" then true else false }'),
      /public/,
    ],
    ['a function', head('execute', '== Function::"shop/public/refnd"'), /refund/],
    ['a target', head('reveal', 'in Target::"shp"'), /shop/],
    ['an environment', head('reveal', 'in Environment::"prodution"'), /production/],
    ['an action', '@id("r") forbid (principal, action == Action::"raed", resource);', /read/],
    ['a fact', head('write', '').replace(';', ' when { context.bonded };'), /bounded/],
    [
      'a group',
      '@id("r") permit (principal in Group::"enginering", action, resource);',
      /engineering/,
    ],
    ['an entity type', head('read', '== Tabel::"shop/public/orders"'), /Table/],
  ] as const)
    test(where, () => {
      const problems = problemsOf(text, names);
      assert.ok(
        problems.some((problem) => hint.test(problem.hint) && /did you mean/.test(problem.hint)),
        JSON.stringify(problems),
      );
    });

  test('what is there passes, also of PostgreSQL’s own and an empty schema', () => {
    for (const text of [
      head('execute', '== Function::"shop/pg_catalog/pg_sleep"'),
      head('read', '== Table::"shop/pg_catalog/pg_authid"'),
      head('reveal', '== Column::"shop/pg_catalog/pg_authid/rolpassword"'),
      head('define', '== Schema::"shop/empty"'),
      head('read', 'in Environment::"staging"'),
    ])
      assert.ok(loadPolicy([{ name: 'x', text }], names).ok, text);
  });
});
