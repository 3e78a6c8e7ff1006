import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Field, Form, Part, Post } from '#bot/model.ts';
import { answersOf, formCard, type Shown } from '#bot/teams/form.ts';
import { cardOf, fits, messageOf } from '#bot/teams/render.ts';
import { instantOf, partsOf, zoneOf } from '#bot/teams/zone.ts';
import { buttonOf, checkCard, elements, readCard } from '../../fakes/teams-card.ts';

const SHOWN: Shown = { id: 'f1', zone: 'Europe/Berlin', found: {}, as: 'dialog' };
const post = (...parts: Part[]): Post => ({ summary: 'in short', title: 'A title', parts });
const form = (...fields: Field[]): Form => ({
  id: 'ask',
  title: 'Ask',
  submit: 'Send',
  state: 's',
  fields,
});
const lines = (...parts: Part[]) =>
  readCard(cardOf(post(...parts)))
    .split('\n')
    .slice(1);

void test('every kind of part is shown, as Adaptive Cards 1.5 has it', () => {
  const all: Part[] = [
    {
      kind: 'text',
      line: ['plain ', { text: 'bold', style: 'bold' }, { text: 'code', style: 'code' }],
    },
    { kind: 'facts', facts: [{ label: 'Who', text: 'Ann' }] },
    { kind: 'code', text: 'select 1\n  from t' },
    { kind: 'list', items: [['one'], ['two']] },
    {
      kind: 'note',
      line: [
        { text: 'x', at: '2026-11-22T13:05:00Z' },
        { text: ' here', link: 'https://cs.example.com/r' },
      ],
    },
    { kind: 'image', png: 'aGVsbG8=', alt: 'a chart' },
    {
      kind: 'buttons',
      buttons: [
        { label: 'Do', action: 'do', value: 'v', style: 'primary', hint: 'does it' },
        { label: 'Ask…', action: 'ask', value: 'v', opens: 'form' },
        {
          label: 'Sure',
          action: 'sure',
          value: 'v',
          style: 'danger',
          confirm: { title: 'Sure?', text: 'It is done.', yes: 'Yes' },
        },
        { label: 'Read', action: 'read', url: 'https://cs.example.com/r' },
      ],
    },
  ];
  const card = cardOf(post(...all));
  assert.deepEqual(checkCard(card), []);
  assert.deepEqual(lines(...all), [
    'plain boldcode',
    'Who: Ann',
    'select 1',
    '\u00a0 from t',
    '• one',
    '• two',
    '22 Nov 2026, 13:05 UTC here',
    '[Do]',
    '[Ask…]',
    '[Sure]',
    'Sure?',
    'It is done.',
    '[Yes]',
    '[Read]',
  ]);
  assert.equal(buttonOf(card, 'Do')['verb'], 'do');
  assert.deepEqual(buttonOf(card, 'Ask…')['data'], {
    msteams: { type: 'task/fetch' },
    action: 'ask',
    value: 'v',
  });
  assert.deepEqual(buttonOf(card, 'Sure')['data'], { action: 'sure', value: 'v' });
});

void test('a message without parts is its summary', () => {
  assert.equal(readCard(cardOf({ summary: 'Done.', parts: [] })), 'Done.');
});

void test('the notification is the summary and nothing of a statement', () => {
  const message = messageOf(post({ kind: 'code', text: 'select secret' }));
  assert.equal(message.summary, 'in short');
  assert.equal(message.attachments[0]?.content['fallbackText'], 'in short');
});

void test('more than six buttons stand in several rows', () => {
  const buttons = Array.from({ length: 13 }, (_, i) => ({
    label: `B${i}`,
    action: 'b',
    value: String(i),
  }));
  assert.deepEqual(checkCard(cardOf(post({ kind: 'buttons', buttons }))), []);
});

void test('pictures that do not fit are said in words', () => {
  const png = Buffer.alloc(60_000).toString('base64');
  assert.deepEqual(lines({ kind: 'image', png, alt: 'a chart of holds' }), ['a chart of holds']);
});

void test('a message that Teams would refuse does not fit', () => {
  assert.equal(fits(messageOf(post({ kind: 'code', text: 'x'.repeat(3_000) }))), true);
  assert.equal(fits(messageOf(post({ kind: 'code', text: 'x\n'.repeat(3_000) }))), false);
});

const hostile = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    '{{DATE(2026-01-01T00:00:00Z,SHORT)}}',
    '{{{TIME(2026-01-01T00:00:00Z)}}}',
    '[click](https://evil.example)',
    '**bold** _it_ `code`',
    '<at>Everybody</at>',
    '# heading\n- list',
    '${payload}',
    '{{{{DATE(2026-01-01T00:00:00Z)}}}}',
  ),
);

void test('no text that people wrote is read as markup: it stands in runs, and no run holds a function', () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const card = cardOf({
        summary: text,
        title: text,
        parts: [
          { kind: 'text', line: [text, { text, style: 'bold' }] },
          { kind: 'facts', facts: [{ label: text, text }] },
          { kind: 'list', items: [[text]] },
          { kind: 'note', line: [text] },
          { kind: 'code', text },
        ],
      });
      for (const one of elements(card)) {
        assert.notEqual(one.type, 'TextBlock');
        assert.notEqual(one.type, 'FactSet');
        if (one.type === 'TextRun') assert.doesNotMatch(String(one['text']), /\{\{/u);
      }
      assert.equal(JSON.stringify(card).includes('"entities"'), false);
    }),
  );
});

void test('text is shown whole: what the runs say together is what was written', () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const [read] = [...elements(cardOf(post({ kind: 'text', line: [text, '.'] })))]
        .filter((one) => one.type === 'RichTextBlock')
        .slice(1);
      const runs = read?.['inlines'] as { text: string }[];
      assert.equal(runs.map((one) => one.text).join(''), `${text}.`);
    }),
  );
});

void test('blanks in a statement are not run together', () => {
  const [line] = lines({ kind: 'code', text: "  a  =  'x   y'\tz" });
  assert.equal(line?.replaceAll('\u00a0', ' '), "  a  =  'x   y'    z");
  assert.doesNotMatch(line ?? '', / {2}|^ /u);
});

void test('every kind of field is asked', () => {
  const asked = form(
    { kind: 'text', id: 'why', label: 'Why', lines: true, max: 500, hint: 'ten words' },
    {
      kind: 'choice',
      id: 'role',
      label: 'Role',
      choices: [{ value: 'r', label: 'reader', about: 'reads' }],
      initial: 'r',
    },
    { kind: 'search', id: 'target', label: 'Target', source: 'targets', initial: 'shop' },
    { kind: 'time', id: 'from', label: 'From', optional: true, initial: '2026-07-01T10:00:00Z' },
  );
  const card = formCard(asked, { ...SHOWN, found: { targets: [{ value: 'x', label: 'X' }] } });
  assert.deepEqual(checkCard(card), []);
  const inputs = [...elements(card)].filter((one) => one.type.startsWith('Input.'));
  assert.deepEqual(
    inputs.map(({ type, value }) => [type, value]),
    [
      ['Input.Text', undefined],
      ['Input.ChoiceSet', 'r'],
      ['Input.ChoiceSet', 'shop'],
      ['Input.Date', '2026-07-01'],
      ['Input.Time', '12:00'],
    ],
  );
  assert.deepEqual(
    answersOf(
      asked,
      {
        'field:why': 'because',
        'field:role': 'r',
        'field:target': 'x',
        'field:from:date': '2026-07-01',
        'field:from:time': '12:00',
        action: 'x',
      },
      'Europe/Berlin',
    ),
    { why: 'because', role: 'r', target: 'x', from: '2026-07-01T10:00:00.000Z' },
  );
});

void test('answers are text, no longer than was asked, and only of fields that were asked', () => {
  const asked = form(
    { kind: 'text', id: 'why', label: 'Why', max: 5 },
    { kind: 'time', id: 'at', label: 'At' },
  );
  assert.deepEqual(
    answersOf(asked, { 'field:why': 'too long', 'field:other': 'x', 'field:at:date': {} }, 'UTC'),
    {
      why: 'too l',
      at: '',
    },
  );
});

void test('what is wrong stands at its field, and what was filled in stays', () => {
  const asked = form({ kind: 'text', id: 'why', label: 'Why', max: 500 });
  const card = formCard(asked, {
    ...SHOWN,
    as: 'card',
    values: { why: 'no' },
    errors: { why: 'Say more.' },
  });
  assert.deepEqual(checkCard(card), []);
  assert.match(readCard(card), /Say more\./u);
  assert.equal([...elements(card)].find((one) => one.type === 'Input.Text')?.['value'], 'no');
});

void test('a label, which may be read as markup, has none of its signs', () => {
  fc.assert(
    fc.property(hostile, (label) => {
      const card = formCard(
        form({
          kind: 'choice',
          id: 'a',
          label: `L${label}`,
          choices: [{ value: 'v', label: `C${label}` }],
        }),
        SHOWN,
      );
      const [input] = [...elements(card)].filter((one) => one.type === 'Input.ChoiceSet');
      assert.doesNotMatch(
        JSON.stringify([input?.['label'], input?.['choices']]).replaceAll(/[[\]{}\\]/gu, ''),
        /[*_`<>~#]/u,
      );
      assert.doesNotMatch(String(input?.['label']), /\{\{|\]\(/u);
    }),
  );
});

void test('a time is what a clock on the wall shows, also where clocks change', () => {
  for (const [date, time, iso] of [
    ['2026-01-10', '09:00', '2026-01-10T08:00:00.000Z'],
    ['2026-07-10', '09:00', '2026-07-10T07:00:00.000Z'],
    ['2026-03-29', '01:30', '2026-03-29T00:30:00.000Z'],
    ['2026-03-29', '03:30', '2026-03-29T01:30:00.000Z'],
    ['2026-10-25', '04:30', '2026-10-25T03:30:00.000Z'],
  ] as const) {
    assert.equal(instantOf(date, time, 'Europe/Berlin'), iso);
    assert.deepEqual(partsOf(iso, 'Europe/Berlin'), { date, time });
  }
  assert.equal(instantOf('', '09:00', 'UTC'), '');
  assert.equal(instantOf('2026-13-45', '99:00', 'UTC'), '');
  assert.equal(zoneOf('No/Where'), 'UTC');
  assert.equal(instantOf('2026-01-10', '09:00', 'Asia/Kolkata'), '2026-01-10T03:30:00.000Z');
});
