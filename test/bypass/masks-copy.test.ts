import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { CopyRows } from '#gateway/postgres/copy-rows.ts';
import { cellMasks } from '#gateway/postgres/masker.ts';
import type { CopyFormat } from '#src/statement/sql/copy-format.ts';
import { startGateway, type TestGateway } from '../fakes/gateway.ts';
import { codes, Q, RawClient, run, S, told } from '../fakes/raw-client.ts';

const AWKWARD = [
  'plain',
  'tab\there',
  'two\nlines',
  'back\\slash \\. \\N',
  'a,b;c|d',
  `quo"te 'single'`,
  '',
  'ünïcode 😀',
  'carriage\rreturn',
];
const SCHEMA = `
  create table odd (id int, note text, secret text, num int, free text);
  ${AWKWARD.map(
    (text, i) =>
      `insert into odd values (${i}, ${quoted(text)}, ${quoted(`secret${text}secret`)}, 1234567${i}, ${quoted(`x${text}`)});`,
  ).join('\n')}
  insert into odd values (99, null, null, null, null);
  create table clear as select * from odd;
  create table lots (id int, v text);
  insert into lots select n, 'v' || n from generate_series(1, 2000) n;
`;
const RULES = `
  @id("connect") permit (principal in Group::"engineering", action == Action::"connect", resource == Target::"shop");
  @id("all") permit (principal in Group::"engineering", action, resource in Target::"shop");
  @id("few") @rows("5") permit (principal in Group::"engineering", action == Action::"read", resource == Table::"shop/public/lots");
  @id("secret") @mask("hash") forbid (principal, action == Action::"reveal", resource == Column::"shop/public/odd/secret");
  @id("num") @mask("last4") forbid (principal, action == Action::"reveal", resource == Column::"shop/public/odd/num");
  @id("free") @mask("fixed:a,\\"b\\\\c\\t") forbid (principal, action == Action::"reveal", resource == Column::"shop/public/odd/free");
`;

function quoted(text: string): string {
  return `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''").replaceAll('\n', '\\n')}'`;
}

describe('COPY … TO STDOUT', () => {
  let gateway: TestGateway;
  let client: RawClient;
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'countersign-copy-'));
    // The server reads it as somebody else.
    await chmod(folder, 0o755);
    gateway = await startGateway({ schema: SCHEMA, onlyRules: RULES });
    client = await RawClient.connect(gateway);
  });
  after(async () => {
    client.end();
    await gateway.stop();
    await rm(folder, { recursive: true });
  });

  /** Reads what came out back in, past the gateway, with the same options. */
  async function backIn(data: Buffer, options: string): Promise<unknown[][]> {
    await gateway.targetSql.query('create temp table if not exists back (like odd); truncate back');
    await writeFile(join(folder, 'data'), data, { mode: 0o644 });
    await gateway.targetSql.query(`copy back from '${join(folder, 'data')}' ${options}`);
    const { rows } = await gateway.targetSql.query<unknown[]>({
      text: 'select id, note, secret, num, free from back order by id',
      rowMode: 'array',
    });
    return rows;
  }

  const OPTIONS = [
    '',
    "(delimiter '|')",
    "(null 'nothing')",
    '(format csv)',
    '(format csv, header)',
    `(format csv, delimiter ';', quote '''', escape '\\', null 'NULL')`,
    '(format csv, force_quote *)',
    '(format csv, force_quote (note), encoding utf8)',
    '(format binary)',
    'with csv header',
    'binary',
  ];
  for (const options of OPTIONS)
    test(`masks its columns: ${options || 'as it is'}`, async () => {
      for (const what of ['odd', '(select * from odd)']) {
        if (options === 'binary' && what !== 'odd') continue;
        // oxlint-disable-next-line no-await-in-loop
        const heard = await client.ask(Q(`copy ${what} to stdout ${options}`));
        assert.deepEqual(codes(heard), [], told(heard));
        const data = dataOf(heard);
        assert.doesNotMatch(data.toString('latin1'), /secret[^\n,;|]|1234567/);
        const input = options
          .replace('force_quote *', 'freeze off')
          .replace('force_quote (note)', 'freeze off')
          .replace('binary', options === 'binary' ? '(format binary)' : 'binary');
        // oxlint-disable-next-line no-await-in-loop
        const rows = await backIn(data, input);
        assert.equal(rows.length, AWKWARD.length + 1);
        for (const [i, text] of AWKWARD.entries()) {
          const [id, note, secret, num, free] = rows[i] ?? [];
          assert.deepEqual([id, note, free], [i, text, 'a,"b\\c\t'], options);
          assert.match(String(secret), /^h_[\w-]{24}$/);
          assert.equal(num, Number(`7${i}`));
        }
        assert.deepEqual(rows.at(-1), [99, null, null, null, null]);
      }
    });

  test('what cannot be followed is refused', async () => {
    const heard = await client.ask(Q("copy odd to stdout (encoding 'latin1')"));
    assert.match(told(heard), /copy-masked/);
    const clear = await client.ask(
      Q("copy (select note from odd where id = 0) to stdout (encoding 'latin1')"),
    );
    assert.deepEqual(codes(clear), []);
  });

  for (const options of ['', '(format csv, header)', '(format binary)'])
    test(`stops at the limit of its rows ${options}`, async () => {
      for (const sent of [
        Q(`copy lots to stdout ${options}`),
        Buffer.concat([run(`copy lots to stdout ${options}`), S()]),
      ]) {
        // oxlint-disable-next-line no-await-in-loop
        const heard = await client.ask(sent);
        assert.deepEqual(codes(heard), ['54000'], told(heard).slice(-500));
        const text = dataOf(heard).toString('latin1');
        assert.match(text, /v5/);
        assert.doesNotMatch(text, /v6/);
        // oxlint-disable-next-line no-await-in-loop
        const within = await client.ask(
          Q(`copy (select * from lots where id <= 5) to stdout ${options}`),
        );
        assert.deepEqual(codes(within), []);
      }
    });

  const key = Buffer.alloc(32, 1);
  const formats: readonly CopyFormat[] = [
    { kind: 'text', header: false, delimiter: '\t', null: '\\N', quote: '"', escape: '"' },
    { kind: 'csv', header: true, delimiter: ',', null: '', quote: '"', escape: '"' },
    { kind: 'binary' },
  ];
  for (const format of formats)
    test(`${format.kind} may come in any pieces`, async () => {
      const options = format.kind === 'csv' ? '(format csv, header)' : `(format ${format.kind})`;
      const copy = `copy (select note, secret, num from clear) to stdout ${options}`;
      const whole = dataOf(await client.ask(Q(copy)));
      const masks = [undefined, { kind: 'hash' }, { kind: 'last', keep: 4 }] as const;
      const fields = [25, 25, 23].map((typeOid) => ({
        typeOid,
        typeModifier: -1,
        format: format.kind === 'binary' ? 1 : 0,
      }));
      const masking = { key, tally: { maskedCells: 0 } };
      const made = (pieces: readonly Buffer[]): string => {
        const rows = new CopyRows(format, cellMasks(masks, fields, key, undefined), masking);
        let text = '';
        for (const data of pieces)
          for (const { piece } of rows.push(data))
            text += piece.buffer.toString('latin1', piece.start + 5, piece.end);
        rows.end();
        return text;
      };
      const expected = made([whole]);
      assert.doesNotMatch(expected, /secret[^\n,]|1234567/);
      fc.assert(
        fc.property(fc.array(fc.nat(whole.length), { maxLength: 20 }), (cuts) => {
          const at = [0, ...cuts.toSorted((a, b) => a - b), whole.length];
          const pieces = at.slice(1).map((end, i) => whole.subarray(at[i], end));
          assert.equal(made(pieces), expected);
        }),
      );
      assert.throws(() => made([whole.subarray(0, -1)]), /ends inside a row/);
    });
});

function dataOf(heard: readonly any[]): Buffer {
  return Buffer.concat(heard.filter((h) => h.name === 'copyData').map((h) => h.chunk));
}
