import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { detect, findings, maskDetected, maskDetectedBytes } from '#src/mask/detect.ts';
import { rules } from '#src/mask/detectors/all.ts';

const card = '4111111111111111';
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const hex = (text: string): string => Buffer.from(text).toString('hex');
const cell = (text: string): string => String(maskDetectedBytes(Buffer.from(text)));
const parsed = (text: string): unknown => JSON.parse(text);

suite('a disguise is seen through, and only the value is replaced', () => {
  const disguised: readonly (readonly [string, string, string])[] = [
    ['zero-width characters', 'card 4111\u200b1111\u200b1111\u200b1111 x', 'card [card] x'],
    ['full-width digits', 'card ４１１１１１１１１１１１１１１１ x', 'card [card] x'],
    ['Arabic-Indic digits', 'card ٤١١١١١١١١١١١١١١١ x', 'card [card] x'],
    ['mathematical letters', 'a𝗻n@example.com', '[email]'],
    ['no-break blanks', 'card 4111\u00a01111\u00a01111\u00a01111 x', 'card [card] x'],
    ['colours of a terminal', `card 4111\x1b[01;31m1111\x1b[m11111111 x`, 'card [card] x'],
    ['movements of a cursor', 'card 4111\x1b[D\x1b[C111111111111 x', 'card [card] x'],
    ['spaced digits', `card ${Array.from(card).join(' ')} x`, 'card [card] x'],
    ['percent-encoding', 'u=ann%40example.com&p=1', 'u=[email]&p=1'],
    ['references of HTML', 'to ann&#64;example.com', 'to [email]'],
    ['escapes of JavaScript', String.raw`card \u0034111111111111111`, 'card [card]'],
    ['base64', `card ${base64(card)} x`, 'card [card] x'],
    ['base64 of JSON', `at ${base64('{"mail":"ann@example.com"}')}`, 'at [email]'],
    ['hexadecimal', `card ${hex(`pan ${card}`)} x`, 'card [card] x'],
    ['bytea', String.raw`\x${hex('to ann@example.com')}`, '\\[email]'],
  ];
  for (const [name, text, expected] of disguised)
    test(name, () => {
      assert.equal(maskDetected(text), expected);
      assert.equal(String(maskDetectedBytes(Buffer.from(text))), expected);
    });

  test('what is around it stays as it was, disguises and all', () => {
    const text = 'Größe ５\u200b to ann\u200b@example.com, ｅｎｄ\u00a0';
    assert.equal(maskDetected(text), 'Größe ５\u200b to [email], ｅｎｄ\u00a0');
  });
});

suite('JSON stays JSON', () => {
  test('leaf by leaf, with its keys and its white space', () => {
    const text =
      '{ "a": "x\\nann@example.com\\u0021",\n "card": 4111111111111111, "n": [1.5e3, true, null] }';
    assert.equal(
      maskDetected(text),
      '{ "a": "x\\n[email]\\u0021",\n "card": "[card]", "n": [1.5e3, true, null] }',
    );
  });

  test('all below a key that says so is hidden', () => {
    const text =
      '{"password":"a","apiKey":{"x":["b",7,null,true]},"next_page_token":"c","secret":""}';
    assert.deepEqual(parsed(maskDetected(text)), {
      password: '[password]',
      apiKey: { x: ['[token]', '[token]', null, true] },
      next_page_token: 'c',
      secret: '',
    });
    assert.deepEqual(parsed(String(maskDetectedBytes(Buffer.from(text), new Set(['password'])))), {
      ...(parsed(text) as object),
      password: '[password]',
    });
  });

  test('a private key without its end takes its own leaf alone', () => {
    const key = ['-----BEGIN ', 'PRIVATE KEY-----\nMIIE'].join('');
    assert.deepEqual(parsed(maskDetected(JSON.stringify({ a: key, b: 'x' }))), {
      a: '[private key]',
      b: 'x',
    });
  });

  test('whatever it holds', () => {
    const values = fc.oneof(fc.string(), fc.constantFrom(...rules.flatMap(({ hits }) => hits)));
    const tree = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 3 },
        values,
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.array(tie('tree'), { maxLength: 4 }),
        fc.dictionary(fc.string(), tie('tree'), { maxKeys: 4, noNullPrototype: true }),
      ),
    })).tree;
    fc.assert(
      fc.property(tree, fc.constantFrom(undefined, 1), (value, indent) => {
        const masked = maskDetected(JSON.stringify([value], undefined, indent));
        assert.doesNotThrow(() => parsed(masked), masked);
        assert.equal(detect(masked), false);
      }),
    );
  });
});

test('an array of PostgreSQL stays one, and its elements keep their quotes', () => {
  assert.equal(
    maskDetected(String.raw`{a,ann@example.com,"b \"ann@example.com\" c",NULL,{x,"+14155550123"}}`),
    String.raw`{a,"[email]","b \"[email]\" c",NULL,{x,"[phone]"}}`,
  );
  assert.equal(maskDetected('[0:1]={4111111111111111,2}'), '[0:1]={"[card]",2}');
  assert.equal(maskDetected('{ann@example.com'), '{[email]');
});

suite('cells', () => {
  test('that hold nothing are not touched, and give nothing to copy', () => {
    for (const text of [
      '',
      'shipped',
      'Grüße',
      '2026-11-20 21:08:29.123456+00',
      '{"a":1}',
      '{1,2}',
    ])
      assert.equal(maskDetectedBytes(Buffer.from(text)), undefined);
  });

  test('that are no UTF-8 are taken byte by byte', () => {
    const bytes = Buffer.concat([
      Buffer.from([0xff, 0xfe]),
      Buffer.from(' ann@example.com '),
      Buffer.from([0xc0]),
    ]);
    const masked = maskDetectedBytes(bytes);
    assert.deepEqual(
      masked,
      Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(' [email] '), Buffer.from([0xc0])]),
    );
  });

  test('are each masked alike, however a text is split over them', () => {
    const texts = fc.array(
      fc.oneof(fc.constantFrom(...rules.flatMap(({ hits }) => hits)), fc.string()),
    );
    fc.assert(
      fc.property(texts, (cells) => {
        const alone = cells.map((text) => maskDetected(text));
        // What one cell holds says nothing about the next, in whatever order they come.
        const again = cells
          .toReversed()
          .map((text) => String(maskDetectedBytes(Buffer.from(text)) ?? Buffer.from(text)));
        assert.deepEqual(
          again.toReversed(),
          alone.map((text) => text.toWellFormed()),
        );
      }),
    );
  });

  test('never show a value that was found, and masks change nothing the second time', () => {
    const pieces = fc.oneof(
      fc.constantFrom(...rules.filter((rule) => !rule.optIn).flatMap(({ hits }) => hits)),
      fc.string({ unit: 'binary' }),
      fc.stringMatching(/^[0-9 .@+:=-]{0,20}$/),
    );
    fc.assert(
      fc.property(
        fc.array(pieces, { maxLength: 6 }),
        fc.constantFrom('', ' ', '"', '\n', '@'),
        (parts, between) => {
          const text = parts.join(between);
          const masked = maskDetected(text);
          assert.equal(detect(masked), false, masked);
          assert.equal(maskDetected(masked), masked);
          assert.equal(detect(text), masked !== text);
        },
      ),
      { numRuns: 300 },
    );
  });
});

test('what would keep others waiting is replaced whole', () => {
  const crowded = 'token: '.repeat(20_001);
  assert.equal(cell(crowded), '[too large]');
  assert.equal(cell(JSON.stringify({ a: crowded, b: 1 })), '[too large]');
  assert.equal(cell('%74oken: '.repeat(20_001)), '[too large]');
  assert.equal(maskDetectedBytes(Buffer.from('token: '.repeat(2_000))), undefined);
  // A statement stays readable in its record, however crowded.
  assert.equal(maskDetected(`${crowded} ann@example.com`), `${crowded} [email]`);
  const large = Buffer.alloc(16 * 1024 * 1024 + 1, 'x');
  assert.equal(String(maskDetectedBytes(large)), '[too large]');
  assert.equal(maskDetectedBytes(large.subarray(1, 1_000_000)), undefined);
});

test('findings are counted by kind', () => {
  assert.deepEqual(
    [...findings(`ann@example.com, bob@example.com and ${card}`)],
    [
      ['email', 2],
      ['card', 1],
    ],
  );
  assert.equal(findings('nothing').size, 0);
});
