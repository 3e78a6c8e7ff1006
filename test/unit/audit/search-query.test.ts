import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { searchInRecord } from '#src/audit/search/in-record.ts';
import { parseQuery, type Query, type Term } from '#src/audit/search/query.ts';
import { referenceTable } from '../../search-table.ts';
import { lengthOf, momentOf } from '#src/audit/search/times.ts';
import { facetWhere, likeOf, rowWhere } from '#src/audit/search/where.ts';
import { QUALIFIERS, TIMES } from '#src/audit/search/words.ts';

const NOW = Date.UTC(2026, 10, 21, 12);
const DAY = 86_400_000;

function read(text: string): Query {
  const parsed = parseQuery(text, NOW);
  assert.ok(parsed.ok, `${text}: ${JSON.stringify(parsed)}`);
  return parsed.query;
}
const terms = (text: string): readonly Term[] => read(text).terms;
function wrong(text: string): string {
  const parsed = parseQuery(text, NOW);
  assert.ok(!parsed.ok, text);
  return parsed.problems
    .map(({ at, length, message }) => `${text.slice(at, at + length)} | ${message}`)
    .join('\n');
}
const names = (name: string, ...patterns: string[]) => ({
  kind: 'names',
  not: false,
  name,
  patterns,
});
const text = (words: string, not = false) => ({ kind: 'text', not, text: words });

const bounds = (name: string, ...all: [string, number][]) => ({
  kind: 'bounds',
  not: false,
  name,
  bounds: all.map(([op, value]) => ({ op, value })),
});
const matches = (like: string, value: string): boolean => {
  const pattern = like.replaceAll(
    /\\([^])|([%_])|([^])/g,
    (_, literal: string | undefined, wild: string | undefined, plain: string) =>
      wild === '%'
        ? '[^]*'
        : wild === '_'
          ? '[^]'
          : (literal ?? plain).replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`),
  );
  return new RegExp(`^${pattern}$`).test(value);
};

describe('a search', () => {
  test('is words, quoted words and qualifiers, and each can be excluded', () => {
    assert.deepEqual(terms('refund "drop table" -secret -"two words"'), [
      text('refund'),
      text('drop table'),
      text('secret', true),
      text('two words', true),
    ]);
    assert.deepEqual(terms('Person:Engineer target:prod-*,dev verdict:held,denied -kind:look'), [
      names('person', 'engineer'),
      names('target', 'prod-*', 'dev'),
      names('verdict', 'hold', 'deny'),
      { ...names('kind', 'look'), not: true },
    ]);
    assert.deepEqual(terms(String.raw`"a \"b\" \\c" target:"a*b c"`), [
      text(String.raw`a "b" \c`),
      names('target', String.raw`a\*b c`),
    ]);
    assert.deepEqual(terms('- a-b data->>x'), [text('-'), text('a-b'), text('data->>x')]);
  });

  test('compares numbers and lengths', () => {
    assert.deepEqual(terms('rows:>100 rows:5 duration:>=1.5s waited:<2h rows:10..20'), [
      bounds('rows', ['>', 100]),
      bounds('rows', ['=', 5]),
      bounds('duration', ['>=', 1_500]),
      bounds('waited', ['<', 7_200_000]),
      bounds('rows', ['>=', 10], ['<=', 20]),
    ]);
  });

  test('is bounded in time, always', () => {
    const { from, usual } = read('x');
    assert.deepEqual([from, usual], [NOW - 30 * DAY, 'days']);
    assert.equal(read('after:7d').from, NOW - 7 * DAY);
    const { from: day, to, usual: none } = read('after:2026-11-01 before:2026-11-02T03:04Z');
    assert.deepEqual(
      [day, to, none],
      [Date.UTC(2026, 10, 1), Date.UTC(2026, 10, 2, 3, 4), undefined],
    );
    assert.equal(read('before:2020-01-31').from, Date.UTC(2020, 0, 1));
    assert.equal(read('request:0199c0de-0000-7000-8000-000000000000').usual, 'all');
    assert.equal(read('-request:0199c0de-0000-7000-8000-000000000000').usual, 'days');
    assert.equal(momentOf('today', NOW), Date.UTC(2026, 10, 21));
    assert.equal(momentOf('yesterday', NOW), Date.UTC(2026, 10, 20));
    assert.equal(momentOf('2026-11-20T10:00+02:00', NOW), Date.UTC(2026, 10, 20, 8));
    for (const no of ['2026-02-31', 'tomorrow', '7', '-7d', '99999999999w', '1e3s', ''])
      assert.equal(momentOf(no, NOW), undefined, no);
    assert.equal(lengthOf('250ms'), 250);
  });

  test('says what it cannot read, where, and what was meant', () => {
    assert.match(wrong('a persn:x'), /^persn:x \| there is no persn: .*did you mean person: \?/u);
    assert.match(wrong('https://x.y'), /Quote it to find it as text: "https:…"/u);
    assert.match(wrong('verdict:helt'), /^verdict:helt \| .*did you mean verdict:held \?/u);
    assert.match(wrong('kind:zzzzzz'), /it is one of statement/u);
    assert.match(wrong('rows:many'), /needs a number, such as rows:>100/u);
    assert.match(wrong('duration:>5'), /needs a time with its unit/u);
    assert.match(wrong('after:soon'), /7d \(days ago/u);
    assert.match(wrong('after:7d after:8d'), /is there twice/u);
    assert.match(wrong('-after:7d'), /is before: with the same time/u);
    assert.match(wrong('session:abc'), /needs an id/u);
    assert.match(wrong('target:'), /needs a value/u);
    assert.match(wrong('target:a,'), /needs a value/u);
    assert.match(wrong('x "open'), /close it/u);
    assert.match(wrong('"a"b'), /a blank belongs/u);
    assert.match(wrong('""'), /nothing between/u);
    assert.match(wrong('a\0b'), /cannot be in any record/u);
    assert.match(wrong('person:\ud800'), /cannot be in any record/u);
    assert.match(wrong('x '.repeat(41)), /at most 40 terms/u);
    assert.match(wrong('x'.repeat(1_001)), /at most 1000 characters/u);
    assert.equal(wrong('a:1 b:2').split('\n').length, 2);
  });

  test('never throws, points into its text, and puts no value into SQL', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.constantFrom(...Object.keys(QUALIFIERS), ...Object.keys(TIMES)).map((name) => `${name}:`),
      fc.constantFrom('"', '-', ',', '*', '>', '..', ' ', "'; drop table x; --", '$1', '7d', '\\'),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const q = pieces.join('');
        const parsed = parseQuery(q, NOW);
        if (!parsed.ok) {
          for (const { at, length } of parsed.problems) {
            assert.ok(at >= 0 && length >= 1 && at <= q.length);
          }
          return;
        }
        assert.ok(parsed.query.from >= 0);
        const values: unknown[] = [];
        const put = (value: unknown): string => `$${values.push(value)}`;
        const sql = [
          facetWhere(parsed.query, { person: "o'x" }, put),
          ...rowWhere(parsed.query, put),
        ];
        assert.match(sql.join(' and '), /^[a-z0-9_ .,()$[\]:<>=;]*$/u);
        assert.match(sql[0] ?? '', /^f\.person = \$\d+(?: and |$)/u);
        assert.doesNotMatch(sql.join(), /;/u);
      }),
      { numRuns: 500 },
    );
  });

  test('a quoted value is found as it is, whatever LIKE makes of it', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 20 }), (value) => {
        const quoted = `target:"${value.replaceAll(/["\\]/gu, String.raw`\$&`)}"`;
        const [term] = terms(quoted);
        assert.ok(term?.kind === 'names');
        const like = likeOf(term.patterns[0] ?? '');
        assert.ok(matches(like, value.toLowerCase()), `${value} → ${like}`);
        assert.ok(!matches(like, `${value.toLowerCase()}x`));
      }),
    );
    assert.equal(likeOf('a*b_c%'), String.raw`a%b\_c\%`);
  });

  test('is recorded by its filters, and never by its words', () => {
    assert.deepEqual(
      searchInRecord('person:ada -target:prod-* rows:>100 after:7d "my secret" 4111'),
      {
        looked: 'search',
        filters: ['person:ada', '-target:prod-*', 'rows:>100', 'after:7d'],
        freeWords: 3,
      },
    );
    const hidden = [
      'rows:4111111111111111',
      'target:078-05-1120',
      'table:"a b"',
      'error:4111111111111111',
    ];
    assert.deepEqual(searchInRecord(hidden.join(' '))['filters'], []);
  });

  test('its reference page names every qualifier', async () => {
    const page = await readFile(new URL('../../../docs/search.md', import.meta.url), 'utf8');
    const [, between = ''] = /<!-- qualifiers -->\n([^]*?)<!-- \/qualifiers -->/u.exec(page) ?? [];
    assert.equal(between.trim(), referenceTable().trim());
  });
});
