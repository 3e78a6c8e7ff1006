import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Subject } from '#src/identity/person.ts';
import type { GrantAction } from '#src/statement/effect.ts';
import { context, known, policyOf, problemsOf, shop, subject } from './world.ts';

const { now } = context;
const HOUR = 3_600_000;
const engineer = subject('engineering');
type Asked = { who?: Subject; action?: GrantAction; role?: string; minutes?: number };
const ask = (
  text: string,
  { who = engineer, action = 'request', role = 'writer', minutes = 60 }: Asked = {},
) => policyOf(text).access(who, shop, action, { role, minutes, now });
const take = (text: string) => ask(text, { action: 'break-glass', role: 'admin' });
const permit = (notes: string, action = 'request') =>
  `@id("r") ${notes} permit (principal, action == Action::"${action}", resource == Role::"shop/writer");`;

const PERMIT = `@id("ask") permit (principal in Group::"engineering", action == Action::"request", resource == Role::"shop/writer");`;
const HOLD = `@id("second") @hold("dba") @expires("1h") forbid (principal, action == Action::"request", resource in Target::"shop");`;

suite('asking for a role', () => {
  test('is denied where no rule lets one', () => {
    const access = ask('@id("x") permit (principal, action == Action::"connect", resource);');
    assert.equal(access.kind, 'deny');
    assert.equal(access.message, 'no rule lets you ask for the role writer on shop');
  });

  test('is not permitted by a permit for everything: it was not written with roles in mind', () => {
    for (const head of ['action', 'action, resource in Target::"shop"']) {
      const rule = `@id("all") permit (principal, ${head.includes(',') ? head : 'action, resource'});`;
      assert.equal(ask(rule).kind, 'deny', rule);
      assert.equal(ask(rule + HOLD).kind, 'deny', 'nor with approval');
      assert.equal(ask(rule, { action: 'break-glass' }).kind, 'deny');
    }
  });

  test('is allowed, or held for who must agree', () => {
    const allowed = ask(PERMIT);
    assert.equal(allowed.kind, 'allow');
    assert.deepEqual(allowed.rules, ['ask']);
    assert.equal(allowed.terms.longestMs, HOUR, 'an hour where no rule says more');
    assert.equal(allowed.terms.ends, 'cancel');
    const held = ask(PERMIT + HOLD);
    assert.equal(held.kind, 'hold');
    assert.deepEqual(held.rules, ['second']);
    assert.deepEqual(held.requirement.groups, [{ group: 'dba', quorum: 1 }]);
    assert.equal(held.requirement.expiresMs, HOUR);
    assert.equal(ask(PERMIT + HOLD, { role: 'admin' }).kind, 'deny', 'a hold permits nothing');
  });

  test('is denied by a forbid, with its message', () => {
    const access = ask(
      `${PERMIT} @id("night") @message("not now") forbid (principal, action == Action::"request", resource);`,
    );
    assert.deepEqual(access, { kind: 'deny', rules: ['night'], message: 'not now' });
  });

  test('is denied where a rule fails', () => {
    const failing = `${PERMIT} @id("bad") forbid (principal, action == Action::"request", resource) when { context.minutes * 9223372036854775807 > 1 };`;
    const problems = problemsOf(failing);
    if (problems.length === 0) assert.equal(ask(failing).kind, 'deny');
    else assert.match(JSON.stringify(problems), /minutes/, 'it does not even load');
  });

  test('takes the strictest terms of all rules that apply', () => {
    const access = ask(`
      @id("a") @duration("8h") @ends("finish") permit (principal, action == Action::"request", resource in Target::"shop");
      @id("b") @duration("4h") @start("approval") @ticket("[A-Z]+-[0-9]+") permit (principal in Group::"engineering", action == Action::"request", resource == Role::"shop/writer");
      @id("c") @hold("dba") @reason("required") @duration("6h") forbid (principal, action == Action::"request", resource);`);
    assert.equal(access.kind, 'hold');
    assert.equal(access.terms.longestMs, 4 * HOUR);
    assert.equal(access.terms.start, 'approval');
    assert.equal(access.terms.ends, 'cancel', 'one rule that does not say finish');
    assert.equal(access.terms.reasonRequired, true);
    assert.deepEqual(access.terms.tickets, ['[A-Z]+-[0-9]+']);
  });

  test('a rule may ask how long', () => {
    const rules = `${PERMIT} @id("long") @hold("dba") forbid (principal, action == Action::"request", resource) when { context has minutes && context.minutes > 120 };`;
    assert.equal(ask(rules, { minutes: 120 }).kind, 'allow');
    assert.equal(ask(rules, { minutes: 121 }).kind, 'hold');
  });

  test('the role that is asked for does not help to get it', () => {
    const rules = `@id("again") permit (principal in Role::"shop/writer", action == Action::"request", resource);`;
    const member = { ...engineer, roles: ['shop/writer'] };
    assert.equal(ask(rules, { who: member }).kind, 'deny');
    assert.equal(ask(rules, { who: member, role: 'admin' }).kind, 'allow', 'another may');
  });

  test('an agent needs its own permit, and its person one', () => {
    const agent = { ...engineer, agent: { id: 'copilot', groups: ['bots'] } };
    assert.equal(ask(PERMIT, { who: agent }).kind, 'deny');
    const both = `${PERMIT} @id("bots") permit (principal is Agent, action == Action::"request", resource == Role::"shop/writer");`;
    assert.equal(ask(both, { who: agent }).kind, 'allow');
    const alone = `@id("bots") permit (principal is Agent, action == Action::"request", resource == Role::"shop/writer");`;
    assert.equal(ask(alone, { who: agent }).kind, 'deny');
  });

  test('names the roles that rules speak of', () => {
    const policy = policyOf(`${PERMIT}
      @id("use") permit (principal in Role::"shop/admin", action == Action::"administer", resource == Target::"shop");`);
    assert.deepEqual(policy.roles('shop'), ['admin', 'writer']);
    assert.deepEqual(policy.roles('other'), []);
  });

  test('rules about roles alone do not limit statements', () => {
    const free = `@id("free") permit (principal, action, resource);`;
    assert.equal(policyOf(free).unrestricted(engineer, shop), true);
    assert.equal(policyOf(free + PERMIT + HOLD).unrestricted(engineer, shop), true);
  });
});

suite('break-glass', () => {
  const GLASS = `@id("glass") @duration("30m") @stepup("5m") @review("security") @channel("db-approvals")
    permit (principal in Group::"engineering", action == Action::"break-glass", resource == Role::"shop/admin");`;

  test('is off unless a rule permits it by name', () => {
    assert.equal(take(PERMIT).kind, 'deny');
    assert.match(JSON.stringify(take(PERMIT)), /by break-glass/);
  });

  test('has its terms: how long, a fresh sign-in, who reads it afterwards, where it is told', () => {
    const access = take(GLASS);
    assert.equal(access.kind, 'allow');
    assert.deepEqual(access.terms.fresh, { ageMs: 5 * 60_000 });
    assert.deepEqual(access.terms.reviewers, ['security']);
    assert.deepEqual(access.terms.channels, ['db-approvals']);
    assert.equal(access.terms.longestMs, HOUR / 2);
  });

  test('asks for no sign-in where a permit stands without', () => {
    const access = take(
      `${GLASS} @id("plain") permit (principal, action == Action::"break-glass", resource == Role::"shop/admin");`,
    );
    assert.equal(access.kind, 'allow');
    assert.equal(access.terms.fresh, undefined);
  });
});

suite('annotations of rules about roles', () => {
  const refused: readonly (readonly [string, RegExp])[] = [
    [permit('@duration("long")'), /@duration\("long"\) is not a duration/],
    [permit('@start("now")'), /write one of: use, approval/],
    [permit('@ends("never")'), /write one of: cancel, finish/],
    [permit('@ticket("(a)(b")'), /is not a pattern/],
    [permit('@review("security")'), /done under break-glass/],
    [permit('@review("nobody")', 'break-glass'), /there is no group "nobody"/],
    [permit('@channel("nowhere")'), /there is no channel "nowhere"/],
    [permit('@stepup("5m")'), /reveal or break-glass alone/],
    [permit('@rows("5")'), /@rows says nothing about a role/],
    [permit('@quorum("2")'), /has no @hold/],
    [
      '@id("r") @duration("1h") permit (principal, action == Action::"read", resource);',
      /not about asking for one/,
    ],
    [
      '@id("r") @duration("1h") forbid (principal, action == Action::"request", resource);',
      /lets nobody in/,
    ],
    [
      '@id("r") @hold("dba") @shape("5m") forbid (principal, action == Action::"request", resource);',
      /@shape says nothing about a role/,
    ],
    [
      '@id("r") @hold("dba") forbid (principal, action == Action::"break-glass", resource);',
      /waits for nobody/,
    ],
    [
      '@id("r") permit (principal, action == Action::"request", resource == Role::"writer");',
      /is not the name of a role/,
    ],
    [
      '@id("r") permit (principal, action == Action::"request", resource == Role::"shoop/writer");',
      /there is no target "shoop"/,
    ],
  ];
  for (const [text, complaint] of refused)
    test(`refused at load: ${text.slice(9, 90)}`, () =>
      assert.match(
        JSON.stringify(problemsOf(text, { ...known, targets: ['shop'] })).replaceAll('\\"', '"'),
        complaint,
      ));
});
