import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { TwoGenerations } from '#src/policy/cache.ts';
import { clock } from '#src/policy/clock.ts';
import { column, context, effect, policyOf, shop, shopText, subject } from './world.ts';

const connect = '@id("connect") permit (principal, action == Action::"connect", resource);';
const read = (condition: string) =>
  policyOf(
    `${connect}\n@id("read") permit (principal, action == Action::"read", resource) ${condition};`,
  );
const select = effect('select', { read: ['orders'] });
/** As an analysis has them that is remembered: verdicts are known by this object. */
const effects = [select];
const ann = subject('engineering');

suite('answers that are remembered', () => {
  /** The same policy is asked first with one moment, then with another, then with the first again. */
  const changes = [
    [
      'the reason',
      'when { context has reason && context.reason == "x" }',
      { reason: 'x' },
      { reason: 'y' },
    ],
    ['the purpose', 'when { context has purpose }', { purpose: 'x' }, {}],
    ['an open transaction', 'unless { context.inTransaction }', {}, { inTransaction: true }],
    ['the hour', 'when { context.hour == 21 }', {}, { now: context.now + 3_600_000 }],
    ['the weekday', 'when { context.weekday == 5 }', {}, { now: context.now + 86_400_000 }],
  ] as const;
  for (const [name, condition, yes, no] of changes)
    test(`follow ${name}`, () => {
      const policy = read(condition);
      const judge = (moment: object) =>
        policy.judge(ann, shop, effects, { ...context, ...moment }).kind;
      assert.deepEqual(
        [judge(yes), judge(no), judge(yes), judge(no)],
        ['allow', 'deny', 'allow', 'deny'],
      );
    });

  test('follow the facts of the effect', () => {
    const policy = read(
      'when { context.bounded && context has rows && context.rows < 10 && context.statement == "select" }',
    );
    const judge = (more: object) => policy.judge(ann, shop, [{ ...select, ...more }], context).kind;
    assert.equal(judge({ estimatedRows: 9 }), 'allow');
    assert.equal(judge({ estimatedRows: 10 }), 'deny');
    assert.equal(judge({}), 'deny');
    assert.equal(judge({ estimatedRows: 9, bounded: false }), 'deny');
    assert.equal(judge({ estimatedRows: 9, class: 'copy' }), 'deny');
    assert.equal(judge({ estimatedRows: 9 }), 'allow');
  });

  test('follow the groups, grants and agent of the subject, and the target', () => {
    const policy = policyOf(
      `${connect}
       @id("g") permit (principal in Group::"dba", action == Action::"read", resource in Environment::"production");
       @id("r") permit (principal in Role::"shop/reader", action == Action::"read", resource in Target::"shop");`,
    );
    const kind = (who: typeof ann, target = shop) =>
      policy.judge(who, target, effects, context).kind;
    assert.equal(kind(subject()), 'deny');
    assert.equal(kind(subject('dba')), 'allow');
    assert.equal(kind({ ...subject(), roles: ['shop/reader'] }), 'allow');
    assert.equal(kind(subject()), 'deny');
    assert.equal(kind(subject('dba'), { ...shop, environment: 'test' }), 'deny');
    assert.equal(kind({ ...subject('dba'), agent: { id: 'bot', groups: [] } }), 'deny');
    assert.equal(kind(subject('dba')), 'allow');
  });

  test('follow the right to connect', () => {
    const policy = policyOf(
      `@id("connect") permit (principal, action == Action::"connect", resource) when { context.hour == 21 };
       @id("read") permit (principal, action == Action::"read", resource);`,
    );
    const judge = (more: number) =>
      policy.judge(ann, shop, effects, { ...context, now: context.now + more }).kind;
    assert.deepEqual([judge(0), judge(3_600_000), judge(0)], ['allow', 'deny', 'allow']);
  });

  test('of a hold that needs a reason follow the reason', () => {
    const policy = policyOf(
      `${connect}
       @id("read") permit (principal, action == Action::"read", resource);
       @id("why") @hold("dba") @reason("required") forbid (principal, action == Action::"read", resource);`,
    );
    const judge = (reason?: string) =>
      policy.judge(ann, shop, effects, { ...context, ...(reason && { reason }) }).kind;
    assert.deepEqual([judge('x'), judge(), judge('x')], ['hold', 'deny', 'hold']);
  });

  test('belong to their version, however many versions are loaded after it', () => {
    const versions = Array.from({ length: 7 }, (_, index) =>
      read(index % 2 === 0 ? '' : 'when { context.hour == 3 }'),
    );
    for (const round of [0, 1])
      for (const [index, policy] of versions.entries()) {
        const other = effect('select', { read: [`t${round}`] });
        assert.equal(
          policy.judge(ann, shop, [other], context).kind,
          index % 2 === 0 ? 'allow' : 'deny',
        );
      }
  });

  test('are given again for the same question', () => {
    const policy = policyOf(shopText);
    const once = policy.judge(ann, shop, [select], context);
    assert.deepEqual(
      policy.judge(subject('engineering'), { ...shop }, [structuredClone(select)], context),
      once,
    );
  });
});

suite('what cannot be decided is refused', () => {
  const broken = 'when { context.hour * 9223372036854775807 > 0 }';
  test('a forbid that errors denies and is named', () => {
    const policy = policyOf(`@id("all") permit (principal, action, resource);
      @id("broken") forbid (principal, action == Action::"read", resource) ${broken};`);
    const verdict = policy.judge(ann, shop, [select], context);
    assert.equal(verdict.kind, 'deny');
    assert.deepEqual(verdict.rules, ['countersign/rule-error', 'broken']);
    assert.match(verdict.message, /rule broken could not be evaluated/);
  });

  test('a permit that errors denies even where another one permits', () => {
    const policy = policyOf(`@id("all") permit (principal, action, resource);
      @id("broken") permit (principal, action == Action::"read", resource) ${broken};`);
    assert.equal(policy.judge(ann, shop, [select], context).kind, 'deny');
  });

  test('a rule for reveal that errors denies the statement', () => {
    const policy = policyOf(`@id("all") permit (principal, action, resource);
      @id("broken") forbid (principal, action == Action::"reveal", resource) ${broken};`);
    const one = effect('select', { read: ['orders'], reveal: ['orders.id'] });
    assert.equal(policy.judge(ann, shop, [one], context).kind, 'deny');
    assert.equal(policy.isRuled(shop, column('orders.id')), true);
  });

  test('a hold without a permit underneath is no hold', () => {
    const policy = policyOf(`${connect}
      @id("h") @hold("dba") forbid (principal, action == Action::"write", resource);`);
    const verdict = policy.judge(ann, shop, [effect('update', { write: ['orders'] })], context);
    assert.deepEqual(verdict.kind === 'deny' && verdict.rules, ['countersign/no-permit']);
  });

  const odd = [
    ['a resource of another target', { type: 'Table', path: ['other', 'public', 'orders'] }],
    ['a resource without its schema', { type: 'Table', path: ['shop', 'orders'] }],
    ['an action that the resource does not have', { type: 'Target', path: ['shop'] }],
  ] as const;
  for (const [name, resource] of odd)
    test(`${name} denies`, () => {
      const policy = policyOf('@id("all") permit (principal, action, resource);');
      const one = { ...select, accesses: [{ action: 'read', resource } as const] };
      const verdict = policy.judge(ann, shop, [one], context);
      assert.ok(verdict.kind === 'deny' && verdict.rules.includes('countersign/rule-error'));
    });

  test('a time zone that does not exist denies where the hour is asked', () => {
    const verdict = read('when { context.hour > 0 }').judge(
      ann,
      { ...shop, timeZone: 'Mars/Base' },
      [select],
      context,
    );
    assert.ok(verdict.kind === 'deny' && verdict.rules.includes('countersign/rule-error'));
  });

  test('names with slashes and quotes stay one name', () => {
    const policy = policyOf(`${connect}
      @id("p") permit (principal, action == Action::"read", resource in Target::"shop");
      @id("f") forbid (principal, action == Action::"read", resource == Table::"shop/public/a%2Fb%22%25");`);
    const kind = (name: string) =>
      policy.judge(
        ann,
        shop,
        [
          {
            ...select,
            accesses: [
              { action: 'read', resource: { type: 'Table', path: ['shop', 'public', name] } },
            ],
          },
        ],
        context,
      ).kind;
    assert.equal(kind('a/b"%'), 'deny');
    assert.equal(kind('a%2Fb%22%25'), 'allow');
  });
});

test('a column that only some groups may see is ruled when others may read its table', () => {
  const policy = policyOf(`${connect}
    @id("read") permit (principal in Group::"engineering", action == Action::"read", resource);
    @id("see") permit (principal in Group::"security", action == Action::"reveal", resource == Column::"shop/public/orders/note");
    @id("see-id") permit (principal, action == Action::"reveal", resource == Column::"shop/public/orders/id");
    @id("not-audit") forbid (principal in Group::"audit", action == Action::"reveal", resource == Column::"shop/public/orders/total");`);
  assert.equal(policy.isRuled(shop, column('orders.note')), true);
  assert.equal(policy.isRuled(shop, column('orders.total')), true);
  assert.equal(policy.isRuled(shop, column('orders.id')), false);
});

test('a whole catalogue of columns is asked about in a moment, and each gets its own answer', () => {
  const policy = policyOf(shopText);
  const before = process.cpuUsage();
  const ruled: string[] = [];
  for (let table = 0; table < 100; table += 1)
    for (let index = 0; index < 100; index += 1)
      if (policy.isRuled(shop, column(`t${table}.c${index}`))) ruled.push(`t${table}.c${index}`);
  for (const name of ['id', 'card', 'ssn', 'email', 'phone'])
    if (policy.isRuled(shop, column(`customers.${name}`))) ruled.push(name);
  assert.deepEqual(ruled, ['card', 'ssn', 'email']);
  const { user, system } = process.cpuUsage(before);
  // One by one, ten thousand columns would take more than ten seconds.
  assert.ok(user + system < 3_000_000, `${user + system} µs`);
});

test('names in the conditions of rules are told apart as those in their heads are', () => {
  const policy = policyOf(`@id("all") permit (principal, action, resource);
    @id("a") forbid (principal, action == Action::"reveal", resource)
      when { [Column::"shop/public/t/a", Column::"shop/public/t/b"].contains(resource) };
    @id("c") forbid (principal, action == Action::"reveal", resource)
      when { resource == Column::"shop/public/t/c" || resource in [Table::"shop/public/u"] };
    @id("d") forbid (principal, action == Action::"reveal", resource) when { resource in Schema::"shop/hr" };`);
  const ruled = ['t.x', 't.a', 't.b', 't.c', 'u.x', 'v.a'].filter((name) =>
    policy.isRuled(shop, column(name)),
  );
  assert.deepEqual(ruled, ['t.a', 't.b', 't.c', 'u.x']);
  assert.equal(policy.isRuled(shop, { type: 'Column', path: ['shop', 'hr', 't', 'x'] }), true);
});

test('a bounded map forgets the entries that were not asked for', () => {
  const map = new TwoGenerations<number, number>(8);
  for (let key = 0; key < 100; key += 1) {
    map.set(key, key);
    assert.equal(map.get(0), 0);
  }
  assert.equal(map.get(50), undefined);
  assert.equal(map.get(99), 99);
});

test("hour and weekday are the target's own", () => {
  const now = Date.UTC(2026, 10, 20, 23, 30);
  assert.deepEqual(clock(now, 'UTC'), {
    minute: now / 60_000,
    hour: 23,
    weekday: 5,
    time: 2330,
    date: 20261120,
  });
  assert.deepEqual(clock(now, 'Asia/Kathmandu'), {
    minute: now / 60_000,
    hour: 5,
    weekday: 6,
    time: 515,
    date: 20261121,
  });
  assert.equal(clock(Date.UTC(2026, 10, 21), 'UTC').hour, 0);
});
