import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { validate } from '@cedar-policy/cedar-wasm/nodejs';
import fc from 'fast-check';
import { main } from '#cli/main.ts';
import { momentOf } from '#cli/policy/moment.ts';
import { effectOf, objectOf } from '#cli/policy/objects.ts';
import { durationText, maskText } from '#cli/policy/words.ts';
import type { Terminal } from '#cli/terminal.ts';
import { parseMask } from '#src/policy/annotations.ts';
import { parseDuration } from '#src/policy/duration.ts';
import { clock } from '#src/policy/clock.ts';

suite('a moment', () => {
  test('is read on a clock of the zone', () => {
    assert.equal(momentOf('2026-11-20 21:30', 'UTC'), Date.UTC(2026, 10, 20, 21, 30));
    assert.equal(momentOf('2026-07-15 08:30', 'Europe/Berlin'), Date.UTC(2026, 6, 15, 6, 30));
    assert.equal(momentOf('2026-01-15 08:30', 'Asia/Kathmandu'), Date.UTC(2026, 0, 15, 2, 45));
    assert.equal(momentOf('2026-07-15T06:30:00Z', 'Asia/Tokyo'), Date.UTC(2026, 6, 15, 6, 30));
  });

  test('of a week shows that weekday and time', () => {
    for (const zone of ['UTC', 'America/New_York', 'Pacific/Auckland']) {
      const at = momentOf('Sun 03:07', zone);
      assert.ok(at !== undefined);
      const { weekday, time } = clock(at, zone);
      assert.deepEqual([weekday, time], [7, 307]);
    }
  });

  test('that does not exist is none', () => {
    // The clock jumps from 02:00 to 03:00 on that day.
    assert.equal(momentOf('2026-03-29 02:30', 'Europe/Berlin'), undefined);
    for (const text of ['2026-02-30 10:00', '2026-01-01 25:00', 'Fry 10:00', 'Fri 10', 'now', ''])
      assert.equal(momentOf(text, 'UTC'), undefined, text);
  });

  test('is what the clock then shows, in any zone', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('2000-01-01'), max: new Date('2060-01-01'), noInvalidDate: true }),
        fc.constantFrom('UTC', 'Europe/Lisbon', 'America/St_Johns', 'Asia/Kolkata'),
        (date, zone) => {
          const text = date.toISOString().slice(0, 16).replace('T', ' ');
          const at = momentOf(text, zone);
          if (at === undefined) return;
          const shown = clock(at, zone);
          assert.equal(shown.date, Number(text.slice(0, 10).replaceAll('-', '')));
          assert.equal(shown.time, Number(text.slice(11).replace(':', '')));
        },
      ),
    );
  });
});

test('masks and durations are written as rules write them', () => {
  for (const text of [
    'null',
    'fixed:•••',
    'hash',
    'hash:person',
    'last4',
    'email',
    'detect',
    'detect:card,email',
  ]) {
    const mask = parseMask(text);
    assert.equal(mask && maskText(mask), text);
  }
  for (const text of ['15m', '1h', '7d', '30s', '1500ms'])
    assert.equal(durationText(parseDuration(text) ?? 0), text);
});

suite('an object of a case', () => {
  test('is written as in a rule', () => {
    assert.deepEqual(objectOf('Column::"shop/public/a%2Fb/c"', 'shop'), {
      type: 'Column',
      path: ['shop', 'public', 'a/b', 'c'],
    });
    for (const bad of [
      'Table::"shop/orders"',
      'Table::"other/public/orders"',
      'orders',
      'Group::"x"',
    ])
      assert.throws(() => objectOf(bad, 'shop'), /is no object of shop/);
  });

  test('takes actions that rules know', () => {
    const table = objectOf('Table::"shop/public/orders"', 'shop');
    assert.deepEqual(effectOf('write', table, { bounded: false }).accesses, [
      { action: 'write', resource: table },
    ]);
    assert.throws(() => effectOf('writ', table, {}), /is no action: use connect, read/);
  });
});

const printed = async (...argv: string[]): Promise<string> => {
  const out: string[] = [];
  const terminal: Terminal = {
    out: (line) => void out.push(line),
    err: () => undefined,
    status: () => undefined,
    paint: (_, text) => text,
    interactive: false,
    width: undefined,
  };
  assert.equal(await main(['policy', 'schema', ...argv], terminal), 0);
  return out.join('\n');
};

test('the schema is printed for editors, and as JSON that Cedar reads back', async () => {
  assert.match(await printed(), /^entity Group;/);
  const schema = JSON.parse(await printed('--json'));
  const staticPolicies = {
    good: 'permit (principal, action == Action::"read", resource) when { context.time >= 830 };',
    bad: 'permit (principal, action == Action::"read", resource) when { context.tiem >= 830 };',
  };
  const answer = validate({ schema, policies: { staticPolicies } });
  assert.ok(answer.type === 'success');
  assert.deepEqual(
    answer.validationErrors.map((one) => one.policyId),
    ['bad'],
  );
});
