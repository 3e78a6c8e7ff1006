import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { message } from '#gateway/postgres/codec/bytes.ts';
import { startGateway, type TestGateway } from '../fakes/gateway.ts';
import { B, C, D, E, F, type Heard, P, Q, RawClient, S, told } from '../fakes/raw-client.ts';

/** approver is unrestricted; oncall is judged, and sees no ssn. */
const RULES = `
  @id("all") permit (principal in Group::"dba", action, resource);
  @id("most") permit (principal in Group::"oncall", action, resource);
  @id("ssn") forbid (principal in Group::"oncall", action == Action::"reveal", resource == Column::"shop/public/customers/ssn");`;
const MODES = ['approver', 'oncall'] as const;

/** Everything that a client may say, with its mistakes; the last answer is that of the last query. */
const SCRIPT = Buffer.concat([
  Q('select id, name, ssn from customers where id < 4; select 2'),
  Q('selec'),
  P('select $1::int + 1', 'one'),
  D('S', 'one'),
  B({ statement: 'one', values: ['41'] }),
  D('P'),
  E(),
  C('S', 'one'),
  S(),
  P('select id from orders order by id'),
  B({ portal: 'p' }),
  E({ portal: 'p', rows: 2 }),
  F(),
  E({ portal: 'p', rows: 3 }),
  S(),
  B({ statement: 'nobody' }),
  E(),
  S(),
  Q('begin'),
  Q('copy (select ssn from customers where id = 1) to stdout'),
  Q('rollback'),
  Q("select 'last'"),
]);
const READIES = 9;

/** A message of any type and any bytes. */
const T = (letter: string, ...body: readonly (string | number[])[]): Buffer =>
  message(
    letter.charCodeAt(0),
    ...body.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))),
  );

void describe('what a client sends', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startGateway({ onlyRules: RULES });
  });
  after(() => gateway.stop());

  /** What the script is answered when its bytes come in these pieces. */
  const answers = async (who: string, cuts: readonly number[]): Promise<string> => {
    const client = await RawClient.connect(gateway, who);
    const ends = [...new Set(cuts)].toSorted((a, b) => a - b);
    let at = 0;
    for (const end of [...ends, SCRIPT.length]) {
      client.send(SCRIPT.subarray(at, end));
      at = end;
      await new Promise((resolve) => setImmediate(resolve));
    }
    const heard: Heard[] = [];
    for (let ready = 0; ready < READIES; ready += 1)
      heard.push(...(await client.until('readyForQuery', 'closed')));
    client.end();
    return told(heard);
  };

  for (const who of MODES)
    void test(`is the same in whatever pieces it comes: ${who}`, async () => {
      const whole = await answers(who, []);
      assert.match(whole, /last/);
      assert.equal(whole.includes('123-45-0001'), who === 'approver');
      const singles = Array.from({ length: SCRIPT.length }, (_, at) => at);
      assert.equal(await answers(who, singles), whole, 'byte by byte');
      const cuts = fc.array(fc.integer({ min: 1, max: SCRIPT.length - 1 }), { maxLength: 40 });
      await fc.assert(
        fc.asyncProperty(cuts, async (at) => assert.equal(await answers(who, at), whole)),
        { numRuns: 25 },
      );
    });

  const MALFORMED: Readonly<Record<string, Buffer>> = {
    'a Query without its end': T('Q', 'select 1'),
    'a Query with a second string': T('Q', 'select 1\0select 2\0'),
    'a Query of bytes that are no UTF-8': T('Q', [0x27, 0xff, 0xfe, 0x27, 0]),
    'a Parse that ends in its name': T('P', 'name'),
    'a Parse that promises types': T('P', '\0select 1\0', [0, 9]),
    'a Bind that promises values': T('B', '\0\0', [0, 0, 0, 9]),
    'a Bind with a negative length': T('B', '\0\0', [0, 0, 0, 1, 255, 255, 255, 0, 0, 0]),
    'a Bind with a format that there is not': T('B', '\0\0', [0, 1, 0, 7, 0, 0, 0, 0]),
    'a Bind with more behind it': T('B', '\0\0', [0, 0, 0, 0, 0, 0, 1]),
    'a Describe of neither kind': T('D', 'X\0'),
    'an empty Describe': T('D'),
    'a Close of neither kind': T('C', 'X\0'),
    'an Execute without a number': T('E', '\0'),
    'a FunctionCall of nothing': T('F', [0, 0, 0, 1]),
    'a Sync with a body': T('S', 'x'),
    'a message of no known type': T('~', 'x'),
    'a password out of turn': T('p', 'secret\0'),
    'a length that is too small': Buffer.from([0x51, 0, 0, 0, 3]),
    'a length that is negative': Buffer.from([0x51, 255, 255, 255, 255]),
    'a Describe of a gigabyte': Buffer.from([0x44, 0x3f, 255, 255, 255]),
    'the end of a COPY that there is not': T('c'),
    'data of a COPY that there is not': T('d', 'x'),
  };
  for (const who of MODES)
    for (const [name, bytes] of Object.entries(MALFORMED))
      void test(`${name} ends in a clean error, or does nothing: ${who}`, async () => {
        const client = await RawClient.connect(gateway, who);
        client.send(bytes, S(), S(), Q("select 'after'"));
        const heard: Heard[] = [];
        const over = (): boolean =>
          heard.some(({ name: of }) => of === 'closed') || told(heard).includes('after');
        while (!over()) heard.push(...(await client.until('readyForQuery', 'closed')));
        const errors = heard.filter(({ name: of }) => of === 'error');
        for (const { code } of errors) assert.match(code, /^(08P01|22|26000|34000|54000|0A000|42)/);
        const closed = heard.some(({ name: of }) => of === 'closed');
        if (closed) assert.equal(errors.at(-1)?.severity, 'FATAL');
        client.end();
      });
});
