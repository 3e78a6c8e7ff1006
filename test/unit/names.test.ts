import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NamesWatch } from '#gateway/names.ts';
import { loadPolicy } from '#src/policy/load.ts';
import type { CatalogNames } from '#src/statement/sql/catalog.ts';
import { eventually } from '../fakes/gateway.ts';
import { known } from './policy/world.ts';

const there: CatalogNames = {
  schemas: ['shop/public'],
  tables: ['shop/public/customers'],
  columns: ['shop/public/customers/ssn'],
  functions: ['shop/pg_catalog/now'],
};
const without: CatalogNames = { ...there, columns: ['shop/public/customers/id'] };

function watch(answer: () => Promise<CatalogNames>) {
  const text = `@id("r") forbid (principal, action == Action::"reveal", resource)
    when { [Column::"shop/public/customers/ssn"].contains(resource) };`;
  const loaded = loadPolicy([{ name: 'rules.cedar', text }], known);
  assert.ok(loaded.ok);
  const said: string[] = [];
  const names = new NamesWatch({
    rules: () => loaded.policy.rules,
    targets: () => [{ name: 'shop', names: answer }],
    log: {
      warn: (about: unknown) => void said.push(JSON.stringify(about)),
      info: (about: unknown) => void said.push(String(about)),
    } as ConstructorParameters<typeof NamesWatch>[0]['log'],
  });
  return { names, said };
}

test('a column that goes away is said once, and so is its return', async () => {
  let now = there;
  const { names, said } = watch(() => Promise.resolve(now));
  assert.equal(await names.look(), false);
  assert.deepEqual([names.missing, said], [[], []]);
  now = without;
  await names.look();
  await names.look();
  assert.equal(names.missing.length, 1);
  assert.match(
    names.missing[0] ?? '',
    /^rule r: there is no column "shop\/public\/customers\/ssn"/,
  );
  assert.equal(said.length, 1);
  now = there;
  await names.look();
  assert.deepEqual(names.missing, []);
  assert.match(said[1] ?? '', /there again/);
});

test('a target that does not answer changes nothing of what was known, and is asked again', async () => {
  let answers = true;
  const { names } = watch(() =>
    answers ? Promise.resolve(without) : Promise.reject(new Error('down')),
  );
  await names.look();
  answers = false;
  assert.equal(await names.look(), true);
  assert.equal(names.missing.length, 1);
});

test('it looks until it is closed', async () => {
  let looks = 0;
  const { names } = watch(() => {
    looks += 1;
    return Promise.resolve(there);
  });
  const close = names.start(1);
  await eventually('three looks', () => looks >= 3 || undefined);
  await close();
  const ended = looks;
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(looks, ended);
});
