import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { stringify } from 'yaml';
import { main } from '#cli/main.ts';
import type { Terminal } from '#cli/terminal.ts';
import { eventually, outcome, startGateway, type TestGateway } from '../fakes/gateway.ts';

let gateway: TestGateway;
let dir: string;
/** The gateway's configuration as a file, as an operator has it. */
let config: string;

before(async () => {
  gateway = await startGateway();
  dir = await mkdtemp(join(tmpdir(), 'countersign-policy-tools-'));
  config = join(dir, 'countersign.yaml');
  for (const name of ['gateway', 'analyser'])
    await writeFile(join(dir, name), name, { mode: 0o600 });
  const { target, store } = gateway;
  await writeFile(join(dir, 'store'), new URL(store.url).password, { mode: 0o600 });
  const groups = {
    engineer: ['engineering'],
    approver: ['engineering', 'dba'],
    security: ['engineering', 'security'],
  };
  await writeFile(
    config,
    stringify({
      name: 'test',
      store: {
        postgres:
          gateway.config.store.postgres === 'embedded' ? '' : gateway.config.store.postgres.url,
      },
      policies: gateway.config.policies,
      groups: ['engineering', 'dba', 'oncall', 'security', 'support'],
      identity: { providers: { demo: { protocol: 'embedded' } } },
      targets: {
        shop: {
          protocol: 'postgres',
          url: `postgres://gateway@${target.host}:${target.port}/shop`,
          password: `\${file:${join(dir, 'gateway')}}`,
          analyser: { user: 'analyser', password: `\${file:${join(dir, 'analyser')}}` },
          tls: { mode: 'disable' },
        },
      },
      people: Object.fromEntries(
        Object.entries(groups).map(([who, of]) => [
          `${who}@example.com`,
          { name: who, groups: of },
        ]),
      ),
      chat: { channels: { 'db-approvals': { slack: 'C0123456' } } },
    }),
  );
});
after(async () => {
  await gateway.stop();
  await rm(dir, { recursive: true, force: true });
});

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const terminal: Terminal = {
    out: (line) => void out.push(line),
    err: (line) => void err.push(line),
    status: () => undefined,
    paint: (_, text) => text,
    interactive: false,
    width: undefined,
  };
  const code = await main(argv, terminal);
  return { code, out: out.join('\n'), err: err.join('\n') };
}

const explain = async (...argv: string[]) => {
  const { code, out, err } = await run('policy', 'explain', '--config', config, '--json', ...argv);
  assert.equal(code, 0, err);
  return JSON.parse(out);
};

suite('policy explain', () => {
  test('tells the rule, who can lift it and what else would change it, and runs nothing', async () => {
    const { code, out } = await run(
      'policy',
      'explain',
      '--config',
      config,
      'shop',
      'engineer@example.com',
      'update payments set amount = 1 where id = 3',
      '--reason',
      'ticket 4711',
    );
    assert.equal(code, 0);
    assert.match(out, /^hold by shop-payments-need-two, shop-writes-need-a-second-person/);
    assert.match(out, /2 of dba, within 15m, with a reason, after a sign-in at most 5m old/);
    assert.match(out, /held {2}write {6}Table::"shop\/public\/payments"/);
    assert.match(out, /\* permit shop-people-work/);
    assert.match(out, / {2}forbid agents-only-read {3}\(when context\.agent: not so\)/);
    assert.match(out, /shop-payments-need-two: a member of dba can lift it/);
    assert.ok(!(await gateway.ranOnTarget()).some((sql) => sql.includes('update payments')));
  });

  test('says the same as the gateway does', async () => {
    const client = await gateway.open('engineer');
    for (const sql of [
      'select * from customers where id = 1',
      'select count(*) from orders',
      'delete from orders',
      "select id from customers where ssn = '1'",
      'drop table orders',
      'select * from nowhere',
    ]) {
      const ran = await outcome(client.query(sql));
      const { verdict } = await explain('shop', 'engineer@example.com', sql);
      const records = await gateway.records('statement');
      const record = records.findLast((one) => one.json.body.text === sql || one.json.body.words);
      assert.equal(verdict.kind === 'allow', !(ran instanceof Error), sql);
      assert.equal(verdict.kind, record.verdict, sql);
      assert.deepEqual(verdict.rules.toSorted(), record.json.body.rules.toSorted(), sql);
    }
  });

  test('masks stand with their rules, and a group that is added shows them', async () => {
    const sql = 'select card, email from customers';
    const masked = await explain('shop', 'engineer@example.com', sql);
    assert.deepEqual(masked.verdict.masks, {
      'public/customers/card': 'last4',
      'public/customers/email': 'email',
    });
    assert.ok(
      masked.changes.some(
        (one: { rule: string; text: string }) =>
          one.rule === 'pii-card' && one.text.includes('principal in Group::"security"'),
      ),
    );
    const shown = await explain('shop', 'engineer@example.com', sql, '--group', '+security');
    assert.deepEqual(shown.verdict.masks, {});
  });

  test('whom no rule knows, and what is missing', async () => {
    const { code, out, err } = await run(
      'policy',
      'explain',
      '--config',
      config,
      'shop',
      'nobody@example.com',
      'select 1',
    );
    assert.equal(code, 0);
    assert.match(err, /nobody here is nobody@example\.com/);
    assert.match(out, /shop-people-connect: it would permit this to Group::"engineering"/);
    const bad = await run('policy', 'explain', '--config', config, 'shpo', 'x', 'select 1');
    assert.equal(bad.code, 2);
    assert.match(bad.err, /did you mean shop\?/);
  });
});

const tests = async (cases: string) => {
  const folder = await mkdtemp(join(dir, 'rules-'));
  await cp(gateway.config.policies, folder, { recursive: true });
  await writeFile(
    join(folder, 'shop.test.yaml'),
    `people: { ann: { groups: [engineering] } }\ncases:\n${cases}`,
  );
  return run('policy', 'test', '--config', config, '--dir', folder);
};

suite('policy test on the configured target', () => {
  test('its tables, groups and channels are the target’s and the configuration’s', async () => {
    const { code, out, err } = await tests(
      `  - { as: ann, sql: select card from customers, expect: allow, masks: { public.customers.card: last4 } }
  - { as: ann, sql: delete from orders where id = 1, expect: hold, hold: { groups: [dba], channels: [db-approvals] } }`,
    );
    assert.equal(code, 0, out + err);
    assert.ok(!(await gateway.ranOnTarget()).some((sql) => sql.includes('select card')));
  });

  test('a misspelt table fails the case', async () => {
    const { code, out } = await tests('  - { as: ann, sql: select 1 from ordres, expect: allow }');
    assert.equal(code, 1);
    assert.match(out, /expected allow, got deny by countersign\//);
  });
});

suite('policy simulate', () => {
  test('the rules that were in force change nothing; stricter ones change what they say', async () => {
    const client = await gateway.open('engineer');
    await client.query('select name from customers where id = 1');
    await client.query("select city from customers where name = 'Name 2'");
    const held = outcome(client.query("update orders set status = 'x' where id = 9"));
    await gateway.decide('deny');
    await held;
    await outcome(client.query('delete from orders'));
    const same = await run(
      'policy',
      'simulate',
      '--config',
      config,
      '--with',
      gateway.config.policies,
      '--json',
    );
    assert.equal(same.code, 0, same.err);
    const { summary: none, counts } = JSON.parse(same.out);
    assert.deepEqual(none, {}, same.out);
    assert.ok(counts.same >= 4);
    assert.equal(counts.unknown, 0);

    const stricter = join(dir, 'stricter');
    await cp(gateway.config.policies, stricter, { recursive: true });
    await writeFile(
      join(stricter, 'more.cedar'),
      `@id("no-names") @message("names are not searched")
       forbid (principal, action == Action::"filter", resource == Column::"shop/public/customers/name");
       @id("hidden-name") forbid (principal, action == Action::"reveal", resource == Column::"shop/public/customers/name");
       @id("orders-need-three") @hold("dba") @quorum("3")
       forbid (principal, action == Action::"write", resource == Table::"shop/public/orders");`,
    );
    const judged = await run(
      'policy',
      'simulate',
      '--config',
      config,
      '--with',
      stricter,
      '--json',
    );
    const { summary, changes } = JSON.parse(judged.out);
    assert.deepEqual(Object.keys(summary).toSorted(), ['allow → deny', 'masks', 'terms']);
    const denied = changes.find((one: { what: string }) => one.what === 'allow → deny');
    assert.deepEqual(denied.after.rules, ['no-names']);
    assert.equal(denied.person, 'engineer@example.com');
    const masks = changes.find((one: { what: string }) => one.what === 'masks');
    assert.deepEqual(masks.masks, ['public.customers.name: shown → null']);
    const text = await run('policy', 'simulate', '--config', config, '--with', stricter);
    assert.match(text.out, /allow → deny: 1/);
    assert.match(text.out, /\/records\/[0-9a-f-]{36}/);
    assert.match(text.out, /judged again with the groups that people had then/);
  });

  test('a simulation is a look, and stands in the log', async () => {
    const looks = await gateway.records('look');
    assert.ok(looks.some((one) => one.json.body.what === 'policy simulate'));
    await gateway.verify();
  });

  test('a record names what it shares, which holds no value', async () => {
    const client = await gateway.open('security');
    await client.query(
      "select '4111111111111111' as \"4242424242424242\", id from customers where city = 'Geheimstadt'",
    );
    const shared = await eventually('the text', async () => {
      const { rows } = await gateway.storeSql.query(
        'select digest, text from countersign.record_shared',
      );
      return rows.length > 0 ? rows : undefined;
    });
    const all = JSON.stringify(shared);
    assert.doesNotMatch(all, /4111111111111111|4242424242424242|Geheimstadt/);
    assert.match(all, /Column shop\/public\/customers\/city/);
  });

  test('without rules, or with ones that do not load, it says so', async () => {
    assert.equal((await run('policy', 'simulate', '--config', config)).code, 2);
    const broken = join(dir, 'broken');
    await cp(gateway.config.policies, broken, { recursive: true });
    await writeFile(join(broken, 'more.cedar'), 'permit (principal, action, resource);');
    const { code, err } = await run('policy', 'simulate', '--config', config, '--with', broken);
    assert.equal(code, 2);
    assert.match(err, /the rule has no @id/);
  });
});

suite('policy init', () => {
  test('copies packs with the target’s name, whose tests pass there', async () => {
    const to = join(dir, 'mine');
    const made = await run(
      'policy',
      'init',
      '--dir',
      to,
      '--target',
      'warehouse',
      '--pack',
      'read-only',
      '--pack',
      'office-hours',
      '--pack',
      'production-schema-held',
    );
    assert.equal(made.code, 0, made.err);
    assert.match(await readFile(join(to, 'read-only.cedar'), 'utf8'), /Target::"warehouse"/);
    const tested = await run('policy', 'test', '--dir', to, '--json');
    assert.equal(tested.code, 0, tested.out + tested.err);
    const again = await run('policy', 'init', '--dir', to, '--target', 'x', '--pack', 'read-only');
    assert.equal(again.code, 2);
    assert.match(again.err, /already has read-only\.cedar/);
  });

  test('lists them, and knows what was meant', async () => {
    const { out } = await run('policy', 'init');
    assert.match(out, /^read-only +Engineers may look/m);
    const { code, err } = await run('policy', 'init', '--pack', 'read-onyl');
    assert.equal(code, 2);
    assert.match(err, /did you mean read-only\?/);
  });
});
