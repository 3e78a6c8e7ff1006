import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Card, Request } from '#src/approval/request.ts';
import type { Requirement } from '#src/policy/verdict.ts';
import { messageOf } from '#bot/message.ts';
import type { Post } from '#bot/model.ts';
import { cardFor } from '#bot/requests/cards.ts';
import { detailsPost } from '#bot/requests/details.ts';
import { escapeMrkdwn } from '#bot/slack/escape.ts';
import { fits, slackMessage } from '#bot/slack/render.ts';
import { duration, fit, oneLine, visible } from '#bot/text.ts';
import { DBA, STATEMENT, asked } from '../../fakes/approval.ts';
import { checkMessage } from '../../fakes/blockkit.ts';

const ID = '3f0e8a6e-0d6c-4b7e-9a52-6b9d3c1f2a44';
const URL = 'https://cs.example.com';

const SLACK = { name: 'slack' as const, fits: (post: Post) => fits(slackMessage(post)) };
const cardOf = (one: Request, url: string) => slackMessage(cardFor(one, url, SLACK));

function request(card: Partial<Card> = {}, rest: Partial<Request> = {}): Request {
  return {
    id: ID,
    version: 1,
    state: 'pending',
    kind: 'statement',
    gateway: 'test',
    session: ID,
    statement: ID,
    requirement: DBA,
    card: { ...asked().card, digest: '0123456789abcdef', ...card },
    decisions: [],
    record: ID,
    createdAt: '2026-11-20T12:00:00.000Z',
    expiresAt: '2026-11-20T12:15:00.000Z',
    ...rest,
  };
}
const needs = (requirement: Partial<Requirement>) =>
  request({}, { requirement: { ...DBA, ...requirement } });
const cardJson = (one: Request) => JSON.stringify(cardOf(one, URL).blocks);

test('the card says who, where, what, why, by which rule, until when, and links to the record', () => {
  const text = cardJson(request({ reason: 'ticket 7', transactionOpenMs: 90_000 }));
  for (const part of [
    'Approval needed: shop',
    'Engineer (engineer@example.com), engineering',
    'shop, database shop',
    'updates shop.public.orders, bounded by id = 42',
    STATEMENT,
    'shop-writes-need-a-second-person: changes to shop are approved by a DBA',
    'ticket 7',
    '0123456789abcdef',
    '<!date^1795176900^',
    'open for 2 min and holds locks',
    `${URL}/records/${ID}`,
  ])
    assert.ok(text.includes(part), part);
});

test('the fallback text, which lock screens show, holds nothing of the statement', () => {
  const { text } = cardOf(request(), URL);
  assert.equal(text, 'Approval needed: shop, asked by Engineer (engineer@example.com)');
});

test('every state of a request gives a card that Slack takes, and only a pending one has buttons', () => {
  const states = [
    'pending',
    'approved',
    'running',
    'done',
    'unknown',
    'denied',
    'expired',
    'withdrawn',
    'abandoned',
    'changed',
    'refused',
  ] as const;
  for (const state of states) {
    const card = cardOf(request({}, { state }), URL);
    assert.deepEqual(checkMessage(card), []);
    assert.equal(JSON.stringify(card).includes('"actions"'), state === 'pending', state);
  }
});

test('a decided card says who decided, when and why, and what came of it', () => {
  const text = cardJson(
    request(
      {},
      {
        state: 'done',
        decisions: [
          {
            person: 'approver@example.com',
            group: 'dba',
            decision: 'approve',
            reason: 'fine',
            via: 'slack',
            at: '2026-11-20T12:01:00.000Z',
          },
        ],
        outcome: { ok: true, rows: 1, durationMs: 12 },
      },
    ),
  );
  for (const part of [
    'Approved by approver@example.com (dba) via slack: fine',
    '"timestamp":1795176060',
    'Ran, 1 row, 12 ms',
  ])
    assert.ok(text.includes(part), part);
});

test('what does not fit is said, and Approve becomes Review in console', () => {
  for (const [one, says] of [
    [request({ masked: 'x'.repeat(9_000) }), '6000 more characters are in the console'],
    [request({ reason: 'y'.repeat(1_000) }), '700 more characters in the console'],
    [request({ hidesWrite: true }), 'part of what it writes is hidden here'],
    [needs({ stepUpMs: 1 }), 'the rule asks for a fresh sign-in'],
  ] as const) {
    const text = cardJson(one);
    assert.ok(text.includes(says), says);
    assert.ok(text.includes('Review in console'));
    assert.ok(!text.includes('"action_id":"approve"'));
  }
  assert.ok(cardJson(request()).includes('"action_id":"approve"'));
});

test('what people write is never read as markup: it stands in literal text only', () => {
  const evil = '<!channel> <@U1> @here *b* ```x``` </a> & <https://evil.example|Approve>';
  const card = cardOf(
    request({
      masked: evil,
      reason: evil,
      person: { email: 'e@example.com', name: evil, groups: [evil] },
    }),
    URL,
  );
  const marked: string[] = [];
  JSON.stringify(card.blocks, (_key, value: unknown) => {
    if (
      typeof value === 'object' &&
      value !== null &&
      'type' in value &&
      value.type === 'mrkdwn' &&
      'text' in value
    )
      marked.push(String(value.text));
    return value;
  });
  for (const text of [...marked, card.text]) {
    assert.ok(
      !text.includes('<!channel') && !text.includes('<@') && !text.includes('<https://evil'),
      text,
    );
    assert.ok(!text.includes('```'), text);
  }
});

test('signs that cannot be seen or that reorder text are shown by code point', () => {
  assert.equal(
    visible('a\u202Eb\u200Bc\u0007\uFE0F\u{E0041}'),
    'a⟨U+202E⟩b⟨U+200B⟩c⟨U+0007⟩⟨U+FE0F⟩⟨U+E0041⟩',
  );
  assert.equal(
    visible('delete from t where\u00A0paid, where\u2800paid, a\u3000b\u2003c\u180Bd\uD800e f'),
    'delete from t where⟨U+00A0⟩paid, where⟨U+2800⟩paid, a⟨U+3000⟩b⟨U+2003⟩c⟨U+180B⟩d⟨U+D800⟩e f',
  );
  assert.equal(visible('line\n\tnext é 日本'), 'line\n\tnext é 日本');
  assert.equal(oneLine('reason: x\nApproved by boss'), 'reason: x ⏎ Approved by boss');
});

test('mrkdwn escapes what Slack reads, and back-ticks', () => {
  assert.equal(escapeMrkdwn('<!here> & `x`'), '&lt;!here&gt; &amp; ˋxˋ');
});

test('cutting never splits a character and counts what it leaves out', () => {
  assert.deepEqual(fit('a😀b', 2), { text: 'a😀', cut: 1 });
  assert.deepEqual(fit('ab', 2), { text: 'ab', cut: 0 });
});

test('durations are said as people say them', () => {
  assert.deepEqual([12, 1_500, 300_000, 7_200_000].map(duration), [
    '12 ms',
    '1.5 s',
    '5 min',
    '2 h',
  ]);
});

test('whatever people write, Slack takes the card, and an Approve button stands only under a whole statement', () => {
  const any = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 50 }),
    fc.string({ unit: 'grapheme', maxLength: 20 }).map((text) => text.repeat(400)),
    fc.constantFrom('"', '\u202E', '😀', '\n', '<').map((text) => text.repeat(5_000)),
  );
  fc.assert(
    fc.property(any, any, any, (masked, reason, name) => {
      const one = request({
        masked,
        reason,
        person: { email: 'e@example.com', name, groups: [name] },
      });
      const card = cardOf(one, URL);
      assert.deepEqual(checkMessage(card), []);
      const text = JSON.stringify(card.blocks);
      if (text.includes('"action_id":"approve"')) {
        assert.ok(text.includes(JSON.stringify(visible(masked) || ' ')));
        assert.ok(text.includes(JSON.stringify(oneLine(reason)).slice(1, -1)));
      }
    }),
    { numRuns: 60 },
  );
});

const access = {
  role: 'support',
  durationMs: 3_600_000,
  start: 'use',
  waitsMs: 3_600_000,
  ends: 'cancel',
} as const;
const asksRole = (requirement: Partial<Requirement> = {}) =>
  request(
    { access, masked: '', digest: '', words: ['asks for the role support on shop, for 1h'] },
    { kind: 'access', requirement: { ...DBA, ...requirement } },
  );

test('what is said once more before a role is granted speaks of the role, not of a statement', () => {
  const text = cardJson(asksRole());
  assert.ok(text.includes('Engineer gets the role support on shop for 1h.'));
  assert.ok(!text.includes('connection that waits'));
  assert.ok(text.includes('Approve for…'));
  assert.ok(cardJson(request()).includes('It runs at once, on the connection that waits for it.'));
  assert.ok(!cardJson(request()).includes('Approve for…'));
});

test('a demanded reason is asked for in a form, unless the console is needed anyway', () => {
  const form = cardJson(needs({ reasonRequired: true }));
  assert.ok(form.includes('"action_id":"approve-form"') && !form.includes('Review in console'));
  assert.ok(!form.includes('"action_id":"approve"'));
  const console = cardJson(needs({ reasonRequired: true, stepUpMs: 1 }));
  assert.ok(console.includes('Review in console') && !console.includes('approve-form'));
});

test('however much was asked and answered, Slack takes the card; what does not fit is in the thread', () => {
  const at = '2026-11-20T12:01:00.000Z';
  const questions = Array.from({ length: 10 }, (_, i) => ({
    id: ID,
    text: `${i} ${'?'.repeat(990)}`,
    person: 'approver@example.com',
    via: 'slack' as const,
    at,
    answer: { text: '!'.repeat(1_000), via: 'slack' as const, at },
  }));
  const handedOver = Array.from({ length: 5 }, (_, i) => ({
    group: `group-${i}-${'x'.repeat(190)}`,
    person: 'approver@example.com',
    via: 'slack' as const,
    at,
    agrees: true,
  }));
  const one = request({ masked: 'x'.repeat(9_000) }, { questions, handedOver });
  assert.deepEqual(checkMessage(cardOf(one, URL)), []);
  assert.match(cardJson(one), /(?:7|10) more questions in the thread/u);
  assert.deepEqual(checkMessage(slackMessage(detailsPost(one, URL))), []);
});

const actions = (...elements: object[]) => ({
  text: 'x',
  blocks: [{ type: 'actions', elements }],
});
const section = (text: object) => ({ text: 'x', blocks: [{ type: 'section', text }] });
test('the validator refuses what Slack refuses', () => {
  const button = {
    type: 'button',
    action_id: 'a',
    text: { type: 'plain_text', text: 'x' },
    value: 'v',
  };
  assert.deepEqual(checkMessage(actions(button)), []);
  for (const bad of [
    actions({ ...button, text: { type: 'plain_text', text: 'x'.repeat(76) } }),
    actions({ ...button, value: 'x'.repeat(2_001) }),
    actions({ ...button, disabled: true }),
    actions(button, button),
    actions(...Array.from({ length: 26 }, (_, i) => ({ ...button, action_id: `a${i}` }))),
    section({ type: 'mrkdwn', text: 'x'.repeat(3_001) }),
    {
      text: 'x',
      blocks: [{ type: 'header', text: { type: 'plain_text', text: 'x'.repeat(151) } }],
    },
    { text: 'x', blocks: Array.from({ length: 51 }, () => ({ type: 'divider' })) },
    { text: 'x', blocks: [{ type: 'nonsense' }] },
    { text: ' ', blocks: [{ type: 'divider' }] },
  ])
    assert.notDeepEqual(checkMessage(bad), [], JSON.stringify(bad).slice(0, 80));
  assert.equal(messageOf(request(), URL, 100).version, 1);
});
