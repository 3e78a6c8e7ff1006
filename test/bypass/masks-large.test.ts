import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import { startGateway, type TestGateway } from '../fakes/gateway.ts';

const ROWS = 40_000;
/** More than sockets hold, so that rows must wait in the gateway. */
const SCHEMA = `
  create table people (id int primary key, card text, phone text, note text);
  insert into people select n, '411111111111' || lpad((n % 10000)::text, 4, '0'), '+1202' || n, repeat(chr(97 + n % 26), 400)
    from generate_series(1, ${ROWS}) n;
`;
const RULES = `
  @id("connect") permit (principal in Group::"engineering", action == Action::"connect", resource == Target::"shop");
  @id("all") permit (principal in Group::"engineering", action, resource in Target::"shop");
  @id("card") @mask("last4") forbid (principal, action == Action::"reveal", resource == Column::"shop/public/people/card");
  @id("phone") @mask("hash") forbid (principal, action == Action::"reveal", resource == Column::"shop/public/people/phone");
`;
const SQL = 'select id, card, phone, note from people order by id';
type Row = readonly [id: number, card: string, phone: string, note: string];

/** Read with pauses, during which rows wait in the gateway. */
async function read(client: Client, pauses: number): Promise<readonly Row[]> {
  const result = client.query<any>({ text: SQL, rowMode: 'array' });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- not among the types
  const { stream } = (client as any).connection;
  for (let left = pauses; left > 0; left -= 1) {
    stream.pause();
    // oxlint-disable-next-line no-await-in-loop
    await sleep(60);
    stream.resume();
    // oxlint-disable-next-line no-await-in-loop
    await sleep(1);
  }
  const { rows } = await result;
  return rows;
}

function check(rows: readonly Row[]): void {
  assert.equal(rows.length, ROWS);
  for (const [index, [id, card, phone, note]] of rows.entries()) {
    assert.equal(id, index + 1);
    assert.equal(card, `************${String(id % 10_000).padStart(4, '0')}`);
    assert.match(phone, /^h_[\w-]{24}$/);
    assert.equal(note, String.fromCharCode(97 + (id % 26)).repeat(400));
  }
  assert.equal(new Set(rows.map((row) => row[2])).size, ROWS);
}

describe('a large masked result', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startGateway({ schema: SCHEMA, onlyRules: RULES });
  });
  after(() => gateway.stop());

  test('is the same for a client that reads slowly, beside one that does not', async () => {
    const [slow, fast] = [await gateway.open(), await gateway.open()];
    const [slowly, once] = await Promise.all([read(slow, 12), read(fast, 0)]);
    check(once);
    check(slowly);
    assert.deepEqual(slowly, once);
  });
});
