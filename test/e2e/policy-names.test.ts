import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { eventually, startGateway, type TestGateway } from '../fakes/gateway.ts';

const RULE = (column: string) =>
  `@id("fragile") @mask("last4") forbid (principal, action == Action::"reveal", resource == Column::"shop/public/${column}");`;

let gateway: TestGateway;
before(async () => {
  gateway = await startGateway({
    rules: RULE('passports/number'),
    schema: `create table passports (id int, number text); insert into passports values (1, 'P-0815-4711')`,
    namesEveryMs: 100,
  });
});
after(() => gateway.stop());

const metric = async (): Promise<string | undefined> => {
  const text = await (await fetch(`${gateway.running.console}/metrics`)).text();
  return /^countersign_policy_names_missing (\d+)/m.exec(text)?.[1];
};

test('a gateway refuses to start on rules that name a column which its target does not have', async () => {
  await assert.rejects(
    startGateway({ rules: RULE('customers/crad') }),
    /there is no column "shop\/public\/customers\/crad" \(did you mean "shop\/public\/customers\/card"\?\)/,
  );
});

test('rules that name one are not loaded while it runs either', async () => {
  const { version } = gateway.running.rules();
  const file = join(gateway.config.policies, 'misspelt.cedar');
  await writeFile(file, RULE('custmers/card').replace('fragile', 'misspelt'));
  await gateway.running.reload();
  assert.equal(gateway.running.rules().version, version);
  assert.match(
    gateway.running.rules().problems.join(),
    /did you mean "shop\/public\/customers\/card"/,
  );
  await rm(file);
  await gateway.running.reload();
});

test('a column that is dropped or renamed later is said, and leaves no hole', async () => {
  assert.equal(await metric(), '0');
  await gateway.targetSql.query('alter table passports rename number to nr');
  await eventually('the metric', async () => ((await metric()) === '1' ? true : undefined));
  assert.ok(
    gateway.logged.some((line) =>
      /rule fragile: there is no column .*passports\/number/.test(line),
    ),
  );
  await gateway.targetSql.query('alter table passports rename nr to number');
  await eventually('that it is over', async () => ((await metric()) === '0' ? true : undefined));
});

test('what no rule permits stays hidden under whatever name', async () => {
  const only = await startGateway({
    onlyRules: `@id("c") permit (principal, action == Action::"connect", resource);
      @id("r") permit (principal, action == Action::"read", resource);
      @id("v") permit (principal, action == Action::"reveal", resource == Column::"shop/public/customers/city");`,
    namesEveryMs: 100,
  });
  try {
    await only.targetSql.query('alter table customers rename city to town');
    const client = await only.open('engineer');
    // Definitions are looked at once a second while they are used.
    await eventually('the new name to be hidden', async () => {
      const { rows } = await client.query<{ town: string | null }>(
        'select town from customers limit 1',
      );
      return rows[0]?.town === null || undefined;
    });
  } finally {
    await only.stop();
  }
});
