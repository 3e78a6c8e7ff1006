import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Effect } from '#src/statement/effect.ts';
import { column, context, effect, policyOf, shop, shopText, subject } from './world.ts';

const policy = policyOf(shopText);
const engineer = subject('engineering');
const security = subject('engineering', 'security');
const judge = (who: typeof engineer, one: Effect, reason?: string) =>
  policy.judge(who, shop, [one], { ...context, ...(reason !== undefined && { reason }) });

const customers = effect('select', {
  read: ['customers'],
  reveal: ['customers.name', 'customers.card', 'customers.ssn', 'customers.email'],
});

suite('the verdicts that shop.cedar promises', () => {
  test('engineers read, with personal data masked as the rules say', () => {
    const verdict = judge(engineer, customers);
    assert.equal(verdict.kind, 'allow');
    assert.deepEqual(Object.fromEntries(verdict.masks), {
      'shop/public/customers/card': { kind: 'last', keep: 4 },
      'shop/public/customers/ssn': { kind: 'null' },
      'shop/public/customers/email': { kind: 'email' },
    });
    assert.ok(verdict.rules.includes('pii-ssn') && verdict.rules.includes('shop-people-work'));
  });

  test('security sees clear values, and no mask rule is named', () => {
    const verdict = judge(security, customers);
    assert.equal(verdict.kind, 'allow');
    assert.equal(verdict.masks.size, 0);
    assert.deepEqual([...verdict.rules], ['shop-people-work', 'shop-columns']);
  });

  test('a change waits for a DBA', () => {
    const verdict = judge(engineer, effect('update', { write: ['orders'], filter: ['orders.id'] }));
    assert.equal(verdict.kind, 'hold');
    assert.deepEqual(verdict.rules, ['shop-writes-need-a-second-person']);
    assert.equal(verdict.message, 'changes to shop are approved by a DBA');
    assert.deepEqual(verdict.requirement, {
      groups: [{ group: 'dba', quorum: 1 }],
      expiresMs: 900_000,
      reasonRequired: false,
      channels: ['db-approvals'],
      reactionsVote: false,
    });
  });

  test('payments need two DBAs, a reason and a fresh sign-in', () => {
    const change = effect('update', { write: ['payments'] });
    const without = judge(engineer, change, '   ');
    assert.equal(without.kind, 'deny');
    assert.deepEqual(without.rules, ['shop-payments-need-two']);
    assert.match(without.hint ?? '', /SET countersign\.reason = '…'/);
    const verdict = judge(engineer, change, 'refund 42');
    assert.equal(verdict.kind, 'hold');
    assert.deepEqual(verdict.requirement.groups, [{ group: 'dba', quorum: 2 }]);
    assert.equal(verdict.requirement.stepUpMs, 300_000);
    assert.deepEqual(verdict.requirement.channels, ['db-approvals']);
  });

  test('an unbounded delete is refused with the words of its rule', () => {
    const verdict = judge(engineer, effect('delete', { delete: ['orders'] }, { bounded: false }));
    assert.deepEqual(verdict, {
      kind: 'deny',
      rules: ['no-unbounded-delete'],
      message: 'DELETE and UPDATE need a WHERE',
    });
  });

  test('schema changes are permitted to nobody, and the message names action and table', () => {
    const verdict = judge(engineer, effect('drop', { define: ['orders'] }));
    assert.equal(verdict.kind, 'deny');
    assert.deepEqual(verdict.rules, ['countersign/no-permit']);
    assert.equal(verdict.message, 'no rule permits define on shop.public.orders');
    assert.match(verdict.hint ?? '', /ask whoever keeps the rules of shop/);
  });

  test('the social security number is not searched by engineers, but by security', () => {
    const search = effect('select', { read: ['customers'], filter: ['customers.ssn'] });
    const verdict = judge(engineer, search);
    assert.equal(verdict.kind, 'deny');
    assert.deepEqual(verdict.rules, ['pii-is-not-searched']);
    assert.equal(judge(security, search).kind, 'allow');
  });

  test('a stranger may not even connect, and reads whom to ask', () => {
    const verdict = policy.connect(subject(), shop, context);
    assert.equal(verdict.kind, 'deny');
    assert.equal(verdict.message, 'no rule permits connect on shop');
    assert.match(verdict.hint ?? '', /members of engineering may/);
    assert.equal(judge(subject(), effect('set', {})).kind, 'deny');
  });

  test('an agent reads like its person but changes nothing', () => {
    const agent = { ...engineer, agent: { id: 'helper', groups: ['engineering'] } };
    assert.equal(judge(agent, customers).kind, 'allow');
    const verdict = judge(agent, effect('update', { write: ['orders'] }));
    assert.equal(verdict.kind, 'deny');
    assert.ok(verdict.rules.includes('agents-only-read'));
  });

  test('an agent never has more power than its person, nor without groups of its own', () => {
    const strong = { ...subject(), agent: { id: 'helper', groups: ['engineering', 'security'] } };
    assert.equal(judge(strong, customers).kind, 'deny');
    const masked = { ...engineer, agent: { id: 'helper', groups: ['engineering', 'security'] } };
    const verdict = judge(masked, customers);
    assert.equal(verdict.kind === 'allow' && verdict.masks.size, 3);
    const bare = { ...engineer, agent: { id: 'helper', groups: [] } };
    assert.equal(judge(bare, customers).kind, 'deny');
  });

  test('a statement that touches nothing is allowed by the session itself', () => {
    const verdict = judge(engineer, effect('transaction', {}));
    assert.deepEqual(verdict.kind === 'allow' && verdict.rules, ['countersign/session']);
  });

  test('a unit is judged by its strictest statement', () => {
    const held = policy.judge(
      engineer,
      shop,
      [customers, effect('update', { write: ['orders'] })],
      context,
    );
    assert.equal(held.kind, 'hold');
    assert.equal(held.masks.size, 3);
    const drop = effect('drop', { define: ['orders'] });
    assert.equal(policy.judge(engineer, shop, [customers, drop], context).kind, 'deny');
  });

  test('columns that somebody does not see are ruled, the others are not', () => {
    for (const name of ['card', 'ssn', 'email'])
      assert.equal(policy.isRuled(shop, column(`customers.${name}`)), true, name);
    assert.equal(policy.isRuled(shop, column('customers.name')), false);
    assert.equal(policy.isRuled(shop, column('orders.ssn')), false);
  });
});

const assign = (extra: string) => policyOf(`${shopText}\n${extra}`);
const permit = (scope: string) =>
  `@id("assign") permit (principal, action == Action::"assign", resource ${scope});`;

suite('masked values never come back as data', () => {
  const update = effect('update', { write: ['customers'], assign: ['customers.email'] });

  test('an update that assigns a masked column is refused', () => {
    const verdict = judge(engineer, update);
    assert.equal(verdict.kind, 'deny');
    assert.deepEqual(verdict.rules, ['countersign/masked-assign', 'pii-email']);
    assert.equal(judge(security, update).kind, 'hold');
  });

  test('a permit for assign on that very column lifts the refusal, one for the table does not', () => {
    const named = assign(permit('== Column::"shop/public/customers/email"'));
    assert.equal(named.judge(engineer, shop, [update], context).kind, 'hold');
    const wide = assign(permit('in Table::"shop/public/customers"'));
    assert.equal(wide.judge(engineer, shop, [update], context).kind, 'deny');
    const other = assign(permit('== Column::"shop/public/customers/card"'));
    assert.equal(other.judge(engineer, shop, [update], context).kind, 'deny');
  });

  test('an insert may assign a masked column, one that updates on conflict may not', () => {
    const insert = { ...update, class: 'insert' };
    assert.equal(judge(engineer, insert).kind, 'hold');
    assert.equal(judge(engineer, { ...insert, upsert: true }).kind, 'deny');
    assert.equal(judge(engineer, { ...update, class: 'merge' }).kind, 'deny');
  });

  test('a masked column that flows into what is written is refused', () => {
    const copy = effect(
      'insert',
      { read: ['customers'], write: ['orders'] },
      {
        flows: [column('customers.ssn')],
      },
    );
    const verdict = judge(engineer, copy);
    assert.equal(verdict.kind, 'deny');
    assert.deepEqual(verdict.rules, ['countersign/masked-flow', 'pii-ssn']);
    assert.equal(judge(security, copy).kind, 'hold');
    assert.equal(judge(engineer, { ...copy, flows: [column('customers.name')] }).kind, 'hold');
  });

  test('code that cannot be looked into is refused over a table with a masked column', () => {
    const call = effect('select', { read: ['customers'] }, { opaque: true });
    const verdict = judge(engineer, call);
    assert.equal(verdict.kind, 'deny');
    assert.ok(verdict.rules.includes('countersign/opaque'));
    assert.equal(judge(security, call).kind, 'allow');
    assert.equal(
      judge(engineer, effect('select', { read: ['orders'] }, { opaque: true })).kind,
      'allow',
    );
    const { outputs } = {
      outputs: [
        { name: 'x', sources: [column('customers.ssn')], verbatim: false, origin: [0, 0] as const },
      ],
    };
    assert.equal(judge(engineer, effect('select', {}, { opaque: true, outputs })).kind, 'deny');
  });

  test('the sources of an output are masked even where no use of them was listed', () => {
    const outputs = [
      { name: 'x', sources: [column('customers.ssn')], verbatim: true, origin: [0, 0] as const },
    ];
    const verdict = judge(engineer, effect('select', { read: ['customers'] }, { outputs }));
    assert.deepEqual(verdict.kind === 'allow' && [...verdict.masks.keys()], [
      'shop/public/customers/ssn',
    ]);
  });
});
