import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Resource } from '#src/statement/effect.ts';
import type { Analysis } from '#src/statement/sql/analysis.ts';
import { fingerprint } from '#src/statement/sql/fingerprint.ts';
import { tokens } from '#src/statement/sql/lexer.ts';
import { isRuled, type TestTarget, startTarget } from '../unit/sql/target.ts';
import { Grammar } from './random-sql.ts';
import { NUMBERS, STRINGS, TRAPS } from './shared-analysis-traps.ts';

/** How many statements; SHARED_SQL=5000 for a long look, SEED to see one again. */
const RUNS = Number(process.env['SHARED_SQL'] ?? 120);
const SEED = Number(process.env['SEED'] ?? 7);

function numbers(seed: number): () => number {
  let state = seed >>> 0;
  // mulberry32
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The tables of the grammar that the small shop does not have. */
const SCHEMA = `
  alter table customers add city text;
  create table vault (id int primary key, code text, tags text[], doc jsonb, raw bytea, city text);
  create view v_chain as select customers.id, ssn as hidden, code from customers join vault using (id) where customers.id > 1;
  create view v_chain2 as select id, hidden as deeper, upper(code) as shout from v_chain where hidden <> 'x';
  create materialized view v_copies as select id, ssn as kept, reverse(code) as back from customers join vault using (id);
  create view v_barrier with (security_barrier) as select id, ssn from customers;
  alter table animals add chip text;
  alter table dogs add more text;
  create table made (id int, code text, tail text generated always as (right(code, 6)) stored, alive text);
  alter table guarded add code text;
  create table notes (id int primary key, note varchar(20), short char(9), big bigint, part numeric);`;

describe('texts that differ in literals alone share an analysis', () => {
  let target: TestTarget;
  before(async () => {
    target = await startTarget();
    await target.sql(SCHEMA);
    target.analyser.bumpEpoch();
  });
  after(() => target?.close());

  test('and what it says is what their own would say', async (context) => {
    const random = numbers(SEED);
    const grammar = new Grammar(random);
    const pick = <T>(list: readonly T[]): T => grammar.pick(list);
    let shared = 0;
    for (let run = 0; run < RUNS; run++) {
      const text = pick([
        () => pick(TRAPS),
        () => grammar.statement(),
        () => wrapped(grammar, pick),
        () => wrapped(grammar, pick),
      ])();
      // oxlint-disable no-await-in-loop -- one after another: the first is what the others share
      const first = await target.analyse(text);
      for (let other = 0; other < 3; other++) {
        const like = withOthers(text, pick, first);
        const found = await target.analyse(like);
        if (!found.like) continue;
        shared += 1;
        same(found, await target.analyse(like, { fresh: true }), like);
      }
      // oxlint-enable no-await-in-loop
    }
    context.diagnostic(`${shared} of ${3 * RUNS} shared`);
    assert.ok(shared > RUNS / 4, `only ${shared} shared`);
  });

  for (const text of TRAPS)
    test(`with every trap: ${JSON.stringify(text)}`, async () => {
      const random = numbers(SEED);
      const pick = <T>(list: readonly T[]): T => new Grammar(random).pick(list);
      const first = await target.analyse(text);
      for (let other = 0; other < 6; other++) {
        const like = withOthers(text, pick, first);
        // oxlint-disable-next-line no-await-in-loop -- one after another
        const found = await target.analyse(like);
        // oxlint-disable-next-line no-await-in-loop
        if (found.like) same(found, await target.analyse(like, { fresh: true }), like);
      }
    });

  const sharing: readonly (readonly [string, string, boolean])[] = [
    ['select id from notes where id = 5', 'select id from notes where id = 123456', true],
    ["select id from notes where note = 'a'", "select id from notes where note = 'other'", true],
    ['select id from notes where id = 5', 'select id from notes where id = 5000000000', false],
    [
      'select id from notes where id < 5 limit 3',
      'select id from notes where id < 9 limit 3',
      true,
    ],
    [
      'select id from notes where id < 5 limit 3',
      'select id from notes where id < 5 limit 4',
      false,
    ],
    ['select id + 1 from notes group by id + 1', 'select id + 2 from notes group by id + 2', false],
    ['update orders set total = 1 where id = 2', 'update orders set total = 1 where id = 3', false],
    [
      "select id from notes where note = 'a'",
      "select id from notes where note = '123-45-6789'",
      false,
    ],
    ["select id from notes where note = 'a'", "select id from notes where note = 'it''s'", false],
    ["select id from notes where note = 'a'", "select id from notes where note = '\u00e9'", false],
    ['select get_ssn(1)', 'select get_ssn(2)', false],
  ];
  for (const [first, second, expected] of sharing)
    test(`${JSON.stringify(second)} ${expected ? 'shares' : 'does not share'} the analysis of ${JSON.stringify(first)}`, async () => {
      target.analyser.bumpEpoch();
      await target.analyse(first);
      assert.equal((await target.analyse(second)).like !== undefined, expected);
    });

  test('not behind a change of a definition', async () => {
    await target.analyse('select id from notes where id = 11');
    assert.ok((await target.analyse('select id from notes where id = 12')).like);
    target.analyser.bumpEpoch();
    assert.equal((await target.analyse('select id from notes where id = 13')).like, undefined);
  });

  test('not under another search path, nor with other parameter types', async () => {
    await target.analyse('select id from orders where id = 11');
    const other = await target.analyse('select id from orders where id = 12', { path: 'other' });
    assert.equal(other.like, undefined);
    const typed = await target.analyse('select id from orders where id = 12', { types: [23] });
    assert.equal(typed.like, undefined);
  });

  test('the literals of a shape are tokens of their kind, and nothing else is', () => {
    const random = numbers(SEED);
    const grammar = new Grammar(random);
    const pieces = [
      "'",
      '"',
      '1',
      '22',
      '.5',
      '1.',
      'e',
      'E',
      ' ',
      '\n',
      ';',
      '-',
      '(',
      ')',
      'a',
      '_',
      ',',
      "''",
      'N',
      '::',
      '=',
    ];
    let found = 0;
    for (let run = 0; run < 20_000; run++) {
      const text = Array.from({ length: 1 + Math.floor(random() * 12) }, () =>
        grammar.pick(pieces),
      ).join('');
      const print = fingerprint(text);
      if (!print) continue;
      found += 1;
      const all = tokens(text).filter(({ kind }) => kind === 'string' || kind === 'number');
      for (const { start, end, isText } of print.literals) {
        const token = all.find((one) => one.start === start && one.end === end);
        assert.equal(token?.kind, isText ? 'string' : 'number', JSON.stringify(text));
      }
      const strings = all.filter(({ kind }) => kind === 'string').length;
      assert.equal(
        print.literals.filter(({ isText }) => isText).length,
        strings,
        JSON.stringify(text),
      );
    }
    assert.ok(found > 1000, `only ${found}`);
  });
});

/** A query of the grammar, and around it comparisons with constants. */
function wrapped(grammar: Grammar, pick: <T>(list: readonly T[]) => T): string {
  const { sql, columns } = grammar.query();
  const conditions = columns.flatMap(({ name, type }) => {
    if (type === 'int') return [`w.${name} ${pick(['=', '<', '>=', '<>'])} ${pick(NUMBERS)}`];
    if (type === 'text') return [`w.${name} ${pick(['=', '<', 'like'])} ${pick(STRINGS)}`];
    return [];
  });
  const where = conditions.length > 0 ? ` where ${conditions.join(pick([' and ', ' or ']))}` : '';
  return `select * from (${sql}) w${where}`;
}

/** The text with other literals, each of its own kind: mostly those that are said to be free, now and then any. */
function withOthers(text: string, pick: <T>(list: readonly T[]) => T, first: Analysis): string {
  const literals = fingerprint(text)?.literals ?? [];
  const free = first.alike?.free(literals);
  const any = pick([true, false, false]);
  let [out, at] = ['', 0];
  for (const [index, { start, end, isText }] of literals.entries()) {
    const change = any || free?.[index] === true;
    const other = isText ? pick(STRINGS) : pick(NUMBERS);
    out += text.slice(at, start) + (change ? other : text.slice(start, end));
    at = end;
  }
  return out + text.slice(at);
}

const RULES: readonly ((column: Resource) => boolean)[] = [
  isRuled,
  () => false,
  () => true,
  (column) => column.path[3] === 'name' || column.path[3] === 'code',
  (column) => column.path[3] === 'id',
];

function same(found: Analysis, own: Analysis, text: string): void {
  assert.equal(own.like, undefined);
  assert.equal(own.refused, undefined, `${text}: ${own.refused?.message}`);
  assert.deepEqual(said(found), said(own), text);
  for (const rule of RULES) {
    assert.deepEqual(found.masker(rule)(), own.masker(rule)(), text);
    assert.deepEqual(
      found.parts.map((part) => part.touchesRuled(rule)),
      own.parts.map((part) => part.touchesRuled(rule)),
      text,
    );
  }
  assert.equal(found.like?.base.closely?.withoutConstants(), own.closely?.withoutConstants(), text);
}

/** All of it but its text, its masks and what is made of its tree. */
const said = ({ parts, definitions, meaning, parameterTypes }: Analysis): unknown => ({
  parts: parts.map((part) => ({
    ...part,
    text: undefined,
    ownType: undefined,
    touchesRuled: undefined,
  })),
  definitions,
  meaning,
  parameterTypes,
});
