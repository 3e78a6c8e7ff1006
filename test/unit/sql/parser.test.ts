import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, describe, it } from 'node:test';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { scanSync } from 'libpg-query';
import { Lexer, fromBytes, toBytes, tokens } from '#src/statement/sql/lexer.ts';
import {
  NotResolved,
  type Tree,
  TreeReader,
  isList,
  isNode,
  parseTrees,
  string,
} from '#src/statement/sql/nodetree.ts';
import { fitsInline } from '#src/statement/sql/parse.ts';
import { scrub } from '#src/statement/sql/scrub.ts';
import { pathText, schemasOf } from '#src/statement/sql/search-path.ts';
import { Parser } from '#gateway/postgres/analyser/parser.ts';

describe('the parser of statements', () => {
  const parser = new Parser();
  after(() => parser.close());

  it('is not optimised at the price of hundreds of megabytes', async () => {
    const url = import.meta.resolve('#gateway/postgres/analyser/parser.ts');
    const script = `
      const { Parser } = await import(${JSON.stringify(url)});
      const parser = new Parser();
      for (let n = 0; n < 2000; n++) await parser.parse('select a, ' + n + ' from b where c = 3 order by 1');
      // The peak of this program alone: maxRSS counts what its parent had when it was started.
      const status = await import('node:fs').then((fs) => fs.existsSync('/proc/self/status') ? fs.readFileSync('/proc/self/status', 'utf8') : '');
      console.log(/VmHWM:\\s+(\\d+)/.exec(status)?.[1] ?? process.resourceUsage().maxRSS);`;
    // What V8 would do beside, it does at once.
    const flags = ['--wasm-sync-tier-up', '--input-type=module', '-e', script];
    const { stdout } = await promisify(execFile)(process.execPath, flags, { timeout: 60_000 });
    const megabytes = Number(stdout) / 1024;
    assert.ok(megabytes > 20 && megabytes < 250, `${megabytes} MB`);
  });

  it('refuses what is too deep, and goes on parsing afterwards', async () => {
    for (const deep of [
      `select 1${'+1'.repeat(400_000)}`,
      `select ${'('.repeat(50_000)}1${')'.repeat(50_000)}`,
      `select ${'not '.repeat(300_000)}true`,
    ]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other is the point
      const { refused } = await parser.parse(deep);
      assert.ok(refused, 'a statement that deep is refused');
      // oxlint-disable-next-line no-await-in-loop
      assert.equal((await parser.parse('select 1')).outlines?.length, 1);
      // oxlint-disable-next-line no-await-in-loop
      assert.equal((await parser.parse(`select '${'x'.repeat(20_000)}'`)).outlines?.length, 1);
    }
  });

  it('keeps what nests without brackets on this thread only where the stack holds', async () => {
    const text = `select ${'not '.repeat(4080)}true`;
    assert.ok(fitsInline(text));
    assert.equal((await parser.parse(text)).outlines?.length, 1);
    assert.equal((await parser.parse('select 1')).outlines?.length, 1);
    assert.equal(fitsInline(`select 1${'+1'.repeat(2000)}`), false);
  });

  it('refuses a NUL character, which would hide the rest', async () => {
    assert.equal((await parser.parse('select 1\0; drop table x')).refused?.code, '22021');
  });

  it('counts statements in bytes', async () => {
    const text = `select 'é'; update "ü" set a = 'ß'`;
    const bytes = toBytes(text);
    const found = (await parser.parse(text)).outlines ?? [];
    assert.deepEqual(
      found.map(({ start, end }) => fromBytes(bytes.slice(start, end)).trim()),
      [`select 'é'`, `update "ü" set a = 'ß'`],
    );
  });
});

describe('the lexer of statements', () => {
  const texts = [
    `select 1.5e3, .5, 1., 0x1F, 1_000, 'a''b', E'\\'x', $$a'b$$, $t$ $$ $t$`,
    `select 'a'\n  'b', e'x'\n'\\'' /* /* nested */ 'no' */ from "t""x" where a<-1 and b--c\n=2`,
    `select a.b::int[1:2], $1, $12, x#>>'{a}', 'é', ü, a$b`,
    `select 5--1\n, 6/*x*/+7, 'a' /* ' */ 'b'`,
  ];
  it('finds the same tokens in steps', () => {
    for (const text of texts) {
      const bytes = toBytes(text);
      const lexer = new Lexer(bytes);
      while (!lexer.step(1));
      assert.deepEqual(lexer.found, tokens(bytes));
    }
  });
  it('takes strings with a prefix for literals as a whole', () => {
    for (const text of [`B'01'`, `X'1F'`, `N'x'`, `U&'\\0041'`, `'a' -- c\n 'b'`])
      assert.deepEqual(tokens(text), [{ kind: 'string', start: 0, end: text.length }]);
    assert.deepEqual(tokens(`u&"x"`), [{ kind: 'quoted', start: 0, end: 5 }]);
  });

  for (const text of texts)
    it(`finds the same literals as PostgreSQL in ${text.slice(0, 40)}`, () => {
      const bytes = toBytes(text);
      const own = tokens(bytes)
        .filter(({ kind }) => kind === 'string' || kind === 'number' || kind === 'comment')
        .map(({ start, end }) => `${start}-${end}`);
      const theirs = scanSync(text)
        .tokens.filter(({ tokenName }) =>
          /^(SCONST|USCONST|BCONST|XCONST|ICONST|FCONST|SQL_COMMENT|C_COMMENT)$/.test(tokenName),
        )
        .map(({ start, end }) => `${start}-${end}`);
      assert.deepEqual(own, theirs);
    });
});

describe('the lexer on any text', () => {
  const pieces = [
    `'`,
    `''`,
    `"`,
    `""`,
    `E'`,
    `\\`,
    `\\'`,
    `$$`,
    `$a$`,
    `--`,
    `/*`,
    `*/`,
    `\n`,
    ` `,
    `1`,
    `.5`,
    `1e3`,
    `0x1f`,
    `a`,
    `é`,
    `U&'`,
    `b'`,
    `x`,
    `+`,
    `(`,
    `)`,
    `;`,
    `$1`,
    `::`,
    `n'`,
  ];
  it('misses no literal that PostgreSQL sees', () => {
    let scanned = 0;
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 14 }), (parts) => {
        const text = parts.join('');
        const theirs = scan(text);
        if (!theirs) return;
        scanned += 1;
        const own = tokens(toBytes(text)).filter(
          ({ kind }) => kind === 'string' || kind === 'number',
        );
        for (const { start, end } of theirs)
          assert.ok(
            own.some((token) => token.start <= start && end <= token.end),
            `${text} at ${start}-${end}`,
          );
      }),
      { numRuns: 3000 },
    );
    assert.ok(scanned > 100);
  });

  it('takes time in proportion to the text', () => {
    const started = performance.now();
    for (const text of [
      `'a' ${'-- '.repeat(50_000)}`,
      `'a'${' '.repeat(200_000)}`,
      "'a'\n".repeat(50_000),
      '1_'.repeat(100_000),
    ])
      tokens(text);
    assert.ok(performance.now() - started < 5000);
  });
});

const literal = /^(SCONST|USCONST|BCONST|XCONST|ICONST|FCONST)$/;
function scan(
  text: string,
): readonly { readonly start: number; readonly end: number }[] | undefined {
  try {
    return scanSync(text).tokens.filter(
      ({ tokenName, text: own }) => literal.test(tokenName) || /^(?:[bxn]|u&)?'/i.test(own),
    );
  } catch {
    return undefined;
  }
}

describe('messages about a statement', () => {
  it('do not repeat its literals', () => {
    assert.equal(
      scrub('invalid input syntax for type integer: "12"3"', '22P02'),
      'invalid input syntax for type integer: "•••"',
    );
    assert.equal(
      scrub(`unterminated quoted string at or near "'123"`, '42601'),
      'unterminated quoted string at or near "•••"',
    );
    assert.equal(
      scrub('syntax error at or near "selec"', '42601'),
      'syntax error at or near "selec"',
    );
    assert.equal(scrub('column "nope" does not exist', '42703'), 'column "nope" does not exist');
  });
});

describe('the node tree of PostgreSQL', () => {
  it('is the same when it is read in steps', () => {
    const text = String.raw`({QUERY :commandType 1 :name a\ b\)c :list (1 -2 "x" <> (b 8 9)) :again {CONST :consttype 25 :constisnull false :constvalue 6 [ 24 0 0 0 104 105 ] :location 7} :last {CONST :consttype 25 :constvalue <>}})`;
    const whole = parseTrees(text);
    const reader = new TreeReader(text);
    let steps = 0;
    while (!reader.step(1)) steps += 1;
    assert.ok(steps > 20);
    const plain = (value: Tree): unknown =>
      isList(value)
        ? value.map(plain)
        : isNode(value)
          ? [value.tag, ...[...value.fields].map(([name, field]) => [name, plain(field)])]
          : value;
    assert.deepEqual(reader.trees.map(plain), whole.map(plain));
    const [query] = whole;
    assert.equal(query && string(query, 'name'), 'a b)c');
    const constant = query?.fields.get('again');
    assert.ok(isNode(constant) && constant.fields.has('location') && !constant.fields.has('x'));
    assert.deepEqual(constant.fields.get('constvalue'), [24, 0, 0, 0, 104, 105]);
    assert.equal(constant.fields.size, 4);
  });
  it('keeps a very long constant as one piece, and refuses too many nodes', () => {
    const bytes = '1 '.repeat(5000);
    const [query] = parseTrees(`({QUERY :a {CONST :constvalue 5000 [ ${bytes}]} :b 2})`);
    assert.equal(query?.fields.get('b'), 2);
    assert.throws(() => parseTrees(`({QUERY :a (${'{VAR :a 1} '.repeat(70_000)})})`), NotResolved);
  });
  it('takes a name that looks like a field for a name', () => {
    const [query] = parseTrees(
      '({QUERY :resname :expr :other "a"b" :list ("x y" "\\\\<>") :none <>})',
    );
    assert.ok(query);
    assert.equal(string(query, 'resname'), ':expr');
    assert.equal(string(query, 'other'), 'a"b');
    assert.equal(query.fields.get('none'), null);
  });

  for (const text of [
    '',
    '(',
    '({QUERY :a 1)',
    '({QUERY :a 1 2})',
    '({QUERY a 1})',
    '({OTHER})',
    '({QUERY}) x',
  ])
    it(`does not guess at ${text || 'nothing'}`, () => {
      assert.throws(() => parseTrees(text), NotResolved);
    });
});

describe('the search path', () => {
  it('reads what SHOW search_path prints', () => {
    const schemas = schemasOf({
      searchPath: '"$user", public, "a ""b, c", pg_catalog',
      user: 'app',
    });
    assert.deepEqual(schemas, ['app', 'public', 'a "b, c', 'pg_catalog']);
    assert.equal(pathText(schemas), '"app", "public", "a ""b, c", "pg_catalog"');
    assert.deepEqual(schemasOf({ searchPath: '""', user: 'app' }), []);
    assert.equal(pathText([]), '""');
  });
});
