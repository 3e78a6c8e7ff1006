import net from 'node:net';
import { once } from 'node:events';
import { serialize } from 'pg-protocol';
import { eventually, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { type Heard, Q, type RawClient, run, S } from '../fakes/raw-client.ts';
import { keepLedger } from './ledger.ts';

/** Writes to orders wait for a DBA, to quick only for a moment; notes may be written freely. */
const RULES = `
@id("connect")
permit (principal in Group::"engineering", action == Action::"connect", resource == Target::"shop");
@id("work")
permit (principal in Group::"engineering", action in [Action::"read", Action::"write", Action::"delete"], resource in Target::"shop");
@id("columns")
permit (principal in Group::"engineering", action in [Action::"reveal", Action::"filter", Action::"join", Action::"assign"], resource in Target::"shop");
@id("orders-wait") @hold("dba") @expires("15m") @message("a DBA decides")
forbid (principal, action in [Action::"write", Action::"delete"], resource == Table::"shop/public/orders");
@id("quick-waits") @hold("dba") @expires("1s") @message("a quick DBA decides")
forbid (principal, action in [Action::"write", Action::"delete"], resource == Table::"shop/public/quick");
@id("payments-wait") @hold("dba") @quorum("2") @reason("required") @message("two DBAs decide")
forbid (principal, action in [Action::"write", Action::"delete"], resource == Table::"shop/public/payments");
@id("bounded") @message("DELETE and UPDATE need a WHERE")
forbid (principal, action in [Action::"write", Action::"delete"], resource) unless { context.bounded };
`;

const SCHEMA = `
  create table notes (text text not null);
  create table quick (id int primary key, text text not null);
  insert into quick select n, '' from generate_series(1, 50) n;
`;

export async function startHeld(
  options: Parameters<typeof startGateway>[0] = {},
): Promise<TestGateway> {
  const gateway = await startGateway({ onlyRules: RULES, schema: SCHEMA, ...options });
  await keepLedger(gateway);
  return gateway;
}

/** A statement on its way, in each form that a client can give it. The earlier work is a note. */
export type Way = {
  readonly name: string;
  /** ReadyForQuery after a refusal: `E` where the client's transaction is open, and failed. */
  readonly failed: 'I' | 'E';
  /** Sends what comes before, and the statement itself; answers to the statement end with one ReadyForQuery. */
  send(client: RawClient, note: string, sql: string): Promise<void>;
  /** Is the note written when the statement fails? */
  readonly keepsNote: boolean;
};

const insert = (note: string): string => `insert into notes values ('${note}')`;

export const WAYS: readonly Way[] = [
  {
    name: 'alone, simple',
    failed: 'I',
    keepsNote: true,
    async send(client, note, sql) {
      await client.ask(Q(insert(note)));
      client.send(Q(sql));
    },
  },
  {
    name: 'alone, extended',
    failed: 'I',
    keepsNote: true,
    async send(client, note, sql) {
      await client.ask(run(insert(note)), S());
      client.send(run(sql), S());
    },
  },
  {
    name: 'in a transaction, simple',
    failed: 'E',
    keepsNote: false,
    async send(client, note, sql) {
      await client.ask(Q('begin'));
      await client.ask(Q(insert(note)));
      client.send(Q(sql));
    },
  },
  {
    name: 'in a transaction, extended',
    failed: 'E',
    keepsNote: false,
    async send(client, note, sql) {
      await client.ask(run('begin'), S());
      await client.ask(run(insert(note)), S());
      client.send(run(sql), S());
    },
  },
  {
    name: 'in a pipeline',
    failed: 'I',
    keepsNote: false,
    send(client, note, sql) {
      client.send(run(insert(note)), run(sql), run(insert(`${note} after`)), S());
      return Promise.resolve();
    },
  },
  {
    name: 'in a string of statements',
    failed: 'I',
    keepsNote: false,
    send(client, note, sql) {
      client.send(Q(`${insert(note)}; ${sql}`));
      return Promise.resolve();
    },
  },
];

/** Decides the request that is pending; resolves with the HTTP status. */
export async function decide(
  gateway: TestGateway,
  decision: 'approve' | 'deny',
  who = 'approver',
  reason = 'because',
): Promise<number> {
  return (await gateway.decide(decision, who, reason)).status;
}

export async function stateOf(gateway: TestGateway, id: string): Promise<string> {
  const { rows } = await gateway.storeSql.query(
    'select state from countersign.request where id = $1',
    [id],
  );
  return rows[0]?.state;
}

/** Waits until the request is in one of these states. */
export const reaches = (gateway: TestGateway, id: string, ...states: string[]): Promise<string> =>
  eventually(`request in ${states.join(' or ')}`, async () => {
    const state = await stateOf(gateway, id);
    return states.includes(state) ? state : undefined;
  });

/** The cancel request that libpq sends for Ctrl-C. */
export async function cancel(gateway: TestGateway, client: RawClient): Promise<void> {
  const socket = net.connect(gateway.running.postgres.port, '127.0.0.1');
  socket.end(serialize.cancel(client.key?.['processID'], client.key?.['secretKey']));
  socket.resume();
  await once(socket, 'close');
}

/** Position of the first message of each name, so that their order can be told. */
export const placeOf = (heard: readonly Heard[], name: string): number =>
  heard.findIndex((one) => one.name === name);

/** Waits until what could be found out about rows is on the card, and in the log. */
export const estimated = (gateway: TestGateway, id: string): Promise<unknown> =>
  eventually('the estimate', async () => {
    const { rows } = await gateway.storeSql.query(
      `select from countersign.request r where r.id = $1 and r.rows->>'state' <> 'estimating' and not exists (
         select from countersign.record_body s where s.session = r.session and s.kind = 'statement'
           and s.body like '%"countersign%' and not exists (
             select from countersign.record_body o where o.statement = s.statement and o.kind = 'outcome'))`,
      [id],
    );
    return rows.length === 1 || undefined;
  });
