import assert from 'node:assert/strict';
import type { TestGateway, Who } from '../fakes/gateway.ts';
import { Q, RawClient } from '../fakes/raw-client.ts';

export type Held = {
  readonly id: string;
  readonly text: string;
  readonly client: RawClient;
  ran(): Promise<boolean>;
};

let number = 0;

/** Sends a statement that is held, and gives its request's id. */
export async function send(gateway: TestGateway, client: RawClient, text: string): Promise<string> {
  const { rows } = await gateway.storeSql.query('select id from countersign.request');
  client.send(Q(text));
  return (await gateway.pending(rows.map(({ id }) => id))).id;
}

/** A held write by `who`, like no other: its request, its text, its client. */
export async function hold(
  gateway: TestGateway,
  who: Who = 'engineer',
  table = 'orders',
  user = `${who}@example.com`,
): Promise<Held> {
  number += 1;
  const client = await RawClient.connect(gateway, who, undefined, user);
  const column = table === 'orders' ? 'status' : 'note';
  const text = `update ${table} set ${column} = 'n${number}' where id = 1`;
  const id = await send(gateway, client, text);
  return { id, text, client, ran: async () => (await gateway.ranOnTarget()).includes(text) };
}

/** An approval over the API, or what `more` says. */
export const vote = (gateway: TestGateway, who: Who, id: string, more: object = {}) =>
  gateway.api(who, `/requests/${id}/decision`, { decision: 'approve', reason: 'ok', ...more });

/** The client goes away; nothing of its statement ran or runs. */
export async function leave(gateway: TestGateway, one: Held): Promise<void> {
  one.client.end();
  const until = Date.now() + 10_000;
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop
    const { body } = await gateway.api('approver', `/requests/${one.id}`);
    if (body.state !== 'pending' && body.state !== 'approved') break;
    assert.ok(Date.now() < until, 'the request did not end');
  }
  assert.equal(await one.ran(), false);
}

/** An approval with these headers; the HTTP status. */
export async function post(
  gateway: TestGateway,
  id: string,
  headers: Record<string, string>,
): Promise<number> {
  const answer = await fetch(`${gateway.running.api}/requests/${id}/decision`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ decision: 'approve', reason: 'ok' }),
  });
  return answer.status;
}

export const cookies = (answer: Response): string =>
  answer.headers
    .getSetCookie()
    .map((cookie) => cookie.split(';')[0])
    .join('; ');
