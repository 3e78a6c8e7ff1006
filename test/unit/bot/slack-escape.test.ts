import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Button, Field, Form, Line, Part, Post, Span } from '#bot/model.ts';
import {
  blocksOf,
  closingModal,
  lineText,
  modalOf,
  optionsOf,
  slackMessage,
} from '#bot/slack/render.ts';
import { visible } from '#bot/text.ts';
import { checkMessage, checkView } from '../../fakes/blockkit.ts';

const URL = 'https://cs.example.com/requests/1';
/** What people might write to be read as something else. */
const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '<!channel>',
        '<!here>',
        '<@U0ENGINEER>',
        '<https://evil.example|ok>',
        '@here',
      ),
      fc.constantFrom('`', '```', '*', '_', '~', '&', '<', '>', '|', '&lt;', ':x:', '\n', ' ', '"'),
      fc.constantFrom(
        '\u202E',
        '\u2066',
        '\u200B',
        '\u00A0',
        '\uFE0F',
        '\uD83D',
        '\u{E0041}',
        '\0',
      ),
      fc.string({ maxLength: 5, unit: 'grapheme' }),
      fc.constantFrom('select', 'аdmin', '🙂'),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));
const at = fc.constant('2026-11-22T10:00:00.000Z');
const line: fc.Arbitrary<Line> = fc.array(
  fc.oneof(
    hostile,
    fc.record(
      {
        text: hostile,
        style: fc.constantFrom('bold', 'code'),
        link: fc.constant(URL),
        at,
        notify: hostile,
      },
      { requiredKeys: ['text'] },
    ) as fc.Arbitrary<Span>,
  ),
  { maxLength: 3 },
);
const button: fc.Arbitrary<Button> = fc.record({
  label: hostile,
  hint: hostile,
  action: fc.uuid(),
  value: fc.constant('id.1'),
  confirm: fc.record({ title: hostile, text: hostile, yes: hostile }),
});
const part: fc.Arbitrary<Part> = fc.oneof(
  fc.record({ kind: fc.constant('text' as const), line }),
  fc.record({ kind: fc.constant('note' as const), line }),
  fc.record({ kind: fc.constant('code' as const), text: hostile }),
  fc.record({
    kind: fc.constant('facts' as const),
    facts: fc.array(fc.record({ label: hostile, text: hostile }), { minLength: 1, maxLength: 3 }),
  }),
  fc.record({
    kind: fc.constant('list' as const),
    items: fc.array(line, { minLength: 1, maxLength: 3 }),
  }),
  fc.record({ kind: fc.constant('image' as const), png: fc.constant('iVBO'), alt: hostile }),
  fc.record({
    kind: fc.constant('buttons' as const),
    buttons: fc.array(button, { minLength: 1, maxLength: 3 }),
  }),
);
const post: fc.Arbitrary<Post> = fc.record(
  { summary: hostile, title: hostile, parts: fc.array(part, { minLength: 1, maxLength: 5 }) },
  { requiredKeys: ['summary', 'parts'] },
);
const field = (id: string): fc.Arbitrary<Field> => {
  const said = { id: fc.constant(id), label: hostile, hint: hostile };
  return fc.oneof(
    fc.record({ ...said, kind: fc.constant('text' as const), max: fc.constant(100) }),
    fc.record({ ...said, kind: fc.constant('search' as const), source: fc.constant('things') }),
    fc.record({ ...said, kind: fc.constant('time' as const) }),
    fc.record({
      ...said,
      kind: fc.constant('choice' as const),
      choices: fc.array(fc.record({ value: fc.constant('v'), label: hostile, about: hostile }), {
        minLength: 1,
        maxLength: 1,
      }),
    }),
  );
};
const form: fc.Arbitrary<Form> = fc.record({
  id: fc.constant('form'),
  title: hostile,
  submit: hostile,
  state: fc.constant('id'),
  parts: fc.array(part, { maxLength: 2 }),
  fields: fc.tuple(field('one'), field('two')),
});

const OURS = [
  /<https:\/\/cs\.example\.com\/[^<>|]*\|[^<>]*>/g,
  /<!date\^\d+\^\{date_short_pretty\} \{time\} \(\{ago\}\)\|[^<>]*>/g,
];

/** What Slack reads as markup: only what the renderer itself put there. */
function checkMrkdwn(text: string): void {
  const rest = OURS.reduce((left, own) => left.replaceAll(own, ''), text);
  assert.doesNotMatch(rest, /[<>`~]/, text);
  assert.doesNotMatch(rest, /(?:(?<!\d):|:(?!\d))[\w+'-]+:/, text);
  assert.doesNotMatch(rest.replaceAll(/\*[^*]+\*/g, ''), /\*/, text);
}

/** Every text in the message, wherever it stands. */
function walk(node: unknown, inside = ''): void {
  if (typeof node === 'string')
    assert.equal(node, visible(node), `something hidden stands in ${inside}: ${node}`);
  if (typeof node !== 'object' || node === null) return;
  const { type, text } = node as { type?: string; text?: unknown };
  if (type === 'mrkdwn') {
    checkMrkdwn(String(text));
    assert.equal((node as { verbatim?: boolean }).verbatim, true);
  }
  if (type === 'link') assert.equal((node as { url?: string }).url, URL);
  assert.ok(!['user', 'broadcast', 'channel', 'emoji', 'usergroup'].includes(type ?? ''), type);
  for (const [key, each] of Object.entries(node)) walk(each, `${inside}/${key}`);
}

test('no text of a person leaves the renderer as markup, mention, link or hidden sign, and every block is valid', () => {
  fc.assert(
    fc.property(post, (one) => {
      const files = new Map([['iVBO', 'F0123456789']]);
      for (const known of [{}, { files }]) {
        const message = slackMessage(one, known);
        walk(message.blocks);
        checkMrkdwn(message.text);
        assert.deepEqual(checkMessage(message), []);
      }
      const closing = closingModal(one.summary, one);
      walk(closing);
      assert.deepEqual(checkView(closing), []);
      const home = { type: 'home', blocks: blocksOf(one, {}) };
      assert.deepEqual(checkView(home), []);
    }),
    { numRuns: 300 },
  );
});

test('no text of a person leaves a form or a choice as anything else', () => {
  fc.assert(
    fc.property(form, (one) => {
      const view = modalOf(one, '{}');
      walk(view);
      assert.deepEqual(checkView(view), []);
      for (const each of one.fields) if (each.kind === 'choice') walk(optionsOf(each.choices));
    }),
    { numRuns: 300 },
  );
});

test('what is told in one line to one person is no markup either', () => {
  fc.assert(fc.property(line, (one) => checkMrkdwn(lineText(one))));
});

test('the notification of a message is its summary alone, and never a statement', () => {
  const parts: Part[] = [{ kind: 'code', text: 'select secret' }];
  const { text } = slackMessage({ summary: 'Approval needed: shop', parts });
  assert.equal(text, 'Approval needed: shop');
});

test('a group is notified as the user group that the configuration names, and otherwise only named', () => {
  const reminder: Post = {
    summary: 'Reminder',
    parts: ['text', 'note'].map((kind) => ({
      kind: kind as 'text' | 'note',
      line: [{ text: 'dba', notify: 'dba' }, ' or ', { text: 'security', notify: 'security' }],
    })),
  };
  const { blocks } = slackMessage(reminder, { usergroups: new Map([['dba', 'S0123456']]) });
  const text = JSON.stringify(blocks);
  assert.match(text, /"usergroup_id":"S0123456"/u);
  assert.match(text, /<!subteam\^S0123456> or security/u);
  assert.equal(text.includes('"security"'), true);
});
