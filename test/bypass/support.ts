import assert from 'node:assert/strict';
import { outcome, type TestGateway, type Who } from '../fakes/gateway.ts';

/** An SSN or a card number of the test's shop, or of the demo's rows, however it is dressed. */
export const SECRET = /123-?45-?00\d\d|4111 ?1111 ?1111 ?00\d\d|123450\d{3}/;

/** Everything a client learns from one statement: rows or error, and the notices that came with it. */
export type Learnt = { readonly result: any; readonly text: string };

/** Sends `sql` on a connection of its own, and fails when a secret comes back by any door. */
export async function learn(
  gateway: TestGateway,
  sql: string,
  { who = 'engineer', values }: { readonly who?: Who; readonly values?: unknown[] } = {},
): Promise<Learnt> {
  const client = await gateway.open(who);
  const result = await outcome(client.query(sql, values));
  const notices = [...client.notices];
  await client.end();
  const text = JSON.stringify([everything(result), notices.map(everything)]);
  assert.doesNotMatch(text, SECRET, sql);
  return { result, text };
}

/** Rows came, and no cell of them holds anything. */
export async function learnsNull(gateway: TestGateway, sql: string): Promise<void> {
  const { result } = await learn(gateway, sql);
  assert.ok(Array.isArray(result.rows), `${sql}: ${JSON.stringify(everything(result))}`);
  assert.ok(result.rows.length > 0, sql);
  for (const row of result.rows)
    for (const cell of Object.values(row)) assert.equal(cell, null, sql);
}

/** It was refused with this SQLSTATE, and never reached the target. */
export async function isRefused(
  gateway: TestGateway,
  sql: string,
  code: string | RegExp = '42501',
  values?: unknown[],
): Promise<any> {
  const { result } = await learn(gateway, sql, values && { values });
  assert.match(String(result.code ?? JSON.stringify(everything(result))), pattern(code), sql);
  assert.match(result.message, /^countersign|does not exist/, sql);
  assert.ok(!(await gateway.ranOnTarget()).includes(sql), `${sql} reached the target`);
  return result;
}

const pattern = (code: string | RegExp): RegExp =>
  typeof code === 'string' ? new RegExp(`^${code}$`) : code;

/** Own fields of an error too, which JSON leaves out. */
function everything(value: any): unknown {
  if (!(value instanceof Error)) return value?.rows ? [value.rows, value.command] : value;
  return Object.fromEntries(
    Object.getOwnPropertyNames(value)
      .filter((name) => name !== 'stack')
      .map((name) => [name, Reflect.get(value, name)]),
  );
}
