import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { RE2JS } from 're2js';
import { kindNames, maskDetected, maskDetectedBytes } from '#src/mask/detect.ts';
import { Detector, merged, type Span } from '#src/mask/detector.ts';
import { rules } from '#src/mask/detectors/all.ts';
import { engine, type Engine, native, portable } from '#src/mask/engine.ts';
import { extentOf } from '#src/mask/extent.ts';
import { parseMask } from '#src/policy/annotations.ts';
import { Metrics } from '#src/telemetry/metrics.ts';
import { kindTable } from '../../kind-table.ts';

function found(detector: Detector, text: string): readonly Span[] {
  const places = detector.places(text);
  return places ? merged(detector.find(text, places, Number.POSITIVE_INFINITY) ?? []) : [];
}

const samples = rules.flatMap(({ hits, misses }) => [...hits, ...misses]);
const optIn = new Set(rules.filter((rule) => rule.optIn).map(({ kind }) => kind));

suite('each rule', () => {
  test('has a name of its own, and there are many', () => {
    assert.equal(new Set(rules.map(({ id }) => id)).size, rules.length);
    assert.ok(rules.length >= 60);
  });

  for (const rule of rules)
    test(`${rule.id} finds its examples, and not what only comes close`, () => {
      const alone = new Detector([rule], portable);
      assert.ok(rule.hits.length > 0 && rule.misses.length > 0);
      for (const text of rule.hits) {
        const [span] = found(alone, text);
        assert.equal(span?.kind, rule.kind, text);
        // Beside other words too.
        assert.equal(found(alone, `see ${text}, please`).length, 1, text);
      }
      for (const text of rule.misses) assert.deepEqual(found(alone, text), [], text);
    });

  test('of the default kinds hides its examples for good', () => {
    for (const { kind, hits } of rules.filter((rule) => !rule.optIn))
      for (const text of hits) {
        const masked = maskDetected(text);
        assert.match(masked, /\[[a-z ]+\]/, `${kind}: ${text}`);
        assert.equal(maskDetected(masked), masked, text);
      }
  });

  test('is tried only where it says so', () => {
    for (const { kind, hits } of rules.filter((rule) => rule.optIn))
      for (const text of hits) {
        const cell = Buffer.from(text);
        assert.match(String(maskDetectedBytes(cell, new Set([kind]))), new RegExp(`\\[${kind}\\]`));
        assert.ok(!String(maskDetectedBytes(cell) ?? cell).includes(`[${kind}]`));
      }
    assert.deepEqual([...optIn].toSorted(), ['ip', 'mac']);
  });
});

suite('no text makes a rule slow', () => {
  test('because RE2 takes every pattern, and no pattern can match more than a few thousand characters', () => {
    for (const { id, pattern } of rules) {
      assert.doesNotThrow(() => RE2JS.compile(pattern), id);
      // RE2 has none of these; that the port does not add them either is not taken for granted.
      assert.doesNotMatch(pattern, /\(\?(?:=|!|<[=!])|\\[1-9]/, id);
      const { least, most } = extentOf(pattern);
      assert.ok(least <= most && most < 4_096, id);
    }
  });

  test('and a pattern without a longest match is refused', () => {
    for (const pattern of ['a*', 'a+', '(?:ab){2,}', '[a-z]+x'])
      assert.throws(() => extentOf(pattern), /no longest match/);
    assert.deepEqual(extentOf('(?i)a(?:bc|d){2,3}[x\\]y]?\\b'), { least: 3, most: 8 });
  });

  // Not timed, but counted: so many questions, each about so many characters.
  test('and an engine is asked at most once a literal, about no more than a match can have', () => {
    let asked = 0;
    let longest = 0;
    const counting: Engine = {
      name: 're2js',
      compile: (pattern) => {
        const matcher = portable.compile(pattern);
        return (text) => {
          asked += 1;
          longest = Math.max(longest, text.length);
          return matcher(text);
        };
      },
    };
    for (const rule of rules.filter(({ literals }) => literals !== 'digits')) {
      const alone = new Detector([rule], counting);
      for (const literal of rule.literals) {
        asked = longest = 0;
        found(alone, `${literal} `.repeat(300));
        assert.ok(asked <= 300 * rule.literals.length, `${rule.id}: asked ${asked} times`);
        assert.ok(longest <= extentOf(rule.pattern).most * 2 + 2, rule.id);
      }
    }
  });
});

suite('both engines', () => {
  const other = native();
  if (!other) {
    // The product never needs it: what it then does is what is tried.
    console.error('re2 is NOT INSTALLED: what it finds is not compared (npm install re2@1.27.1)');
    test('without re2 the portable one is taken', () => assert.equal(engine(), portable));
    return;
  }
  test('find the same', () => {
    const [here, there] = [new Detector(rules, portable), new Detector(rules, other)];
    for (const text of samples) assert.deepEqual(found(there, text), found(here, text), text);
    const pieces = fc.oneof(
      fc.constantFrom(...samples),
      fc.string({ unit: 'binary' }),
      fc.string(),
    );
    fc.assert(
      fc.property(
        fc.array(pieces, { maxLength: 8 }),
        fc.constantFrom('', ' ', '\n', '"', '='),
        (parts, between) => {
          const text = parts.join(between);
          assert.deepEqual(found(there, text), found(here, text));
        },
      ),
    );
  });
});

test('a mask that names no kind is refused when rules load', () => {
  assert.deepEqual(parseMask('detect:email,card'), { kind: 'detect', kinds: ['card', 'email'] });
  assert.equal(parseMask('detect:emial'), undefined);
  for (const kind of kindNames) assert.ok(parseMask(`detect:${kind}`), kind);
});

const scrape = async (): Promise<number> => {
  const exposed = await new Metrics([]).expose();
  const line = /^countersign_masked_values_total\{kind="iban"\} (\d+)$/m.exec(exposed);
  return Number(line?.[1]);
};

test('what cells held is counted by kind, and only by kind', async () => {
  const before = await scrape();
  maskDetectedBytes(Buffer.from('gb82west12345698765432 to DE89 3704 0044 0532 0130 00'));
  maskDetected('gb82west12345698765432');
  assert.equal(await scrape(), before + 2);
});

test('the table of kinds in docs/masking.md is the one of the rules', async () => {
  const text = await readFile(new URL('../../../docs/masking.md', import.meta.url), 'utf8');
  assert.ok(text.includes(kindTable()), 'run: node_modules/.bin/node test/generate-docs.ts');
  for (const kind of kindNames) assert.match(text, new RegExp(`\\| \`${kind}\``));
});
