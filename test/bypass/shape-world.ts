import assert from 'node:assert/strict';
import type pg from 'pg';
import { eventually, startGateway, type TestGateway, type Who } from '../fakes/gateway.ts';

export const SHAPE_RULES = `
@id("connect")
permit (principal in Group::"engineering", action == Action::"connect", resource == Target::"shop");
@id("work")
permit (principal in Group::"engineering", action in [Action::"read", Action::"write", Action::"delete"], resource in Target::"shop");
@id("run")
permit (principal in Group::"engineering", action == Action::"execute", resource);
@id("columns")
permit (principal in Group::"engineering", action in [Action::"reveal", Action::"filter", Action::"join", Action::"assign"], resource in Target::"shop");
@id("shapes") @hold("dba") @shape("30m")
forbid (principal, action in [Action::"write", Action::"delete"], resource) unless { resource == Table::"shop/public/strict" || resource == Table::"shop/public/twice" };
@id("strict-has-none") @hold("dba")
forbid (principal, action in [Action::"write", Action::"delete"], resource == Table::"shop/public/strict");
@id("twice-two") @hold("dba") @quorum("2") @shape("30m")
forbid (principal, action in [Action::"write", Action::"delete"], resource == Table::"shop/public/twice");
@id("reads-wait") @hold("dba") @shape("30m")
forbid (principal, action == Action::"read", resource == Table::"shop/public/secrets");
`;

const SCHEMA = `
  create table strict (id int primary key, n int);
  insert into strict values (1, 1), (2, 2);
  create table twice (id int primary key, n int);
  insert into twice values (1, 1), (2, 2);
  create table secrets (id int primary key, n int);
  insert into secrets values (1, 1), (2, 2);
  create table pairs (tenant int, id int, text text, primary key (tenant, id));
  insert into pairs select t, n, 'x' from generate_series(1, 3) t, generate_series(1, 4) n;
  create table words (word text primary key, n int not null default 0);
  insert into words values ('one', 1), ('two', 2);
  create collation loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
  create table later (id int primary key deferrable initially deferred, n int);
  insert into later values (1, 1), (2, 2);
  create table some (id int, n int);
  create unique index some_id on some (id) where n > 0;
  insert into some values (1, 1), (2, 2);
  create table parent (id int primary key, n int);
  create table heir () inherits (parent);
  insert into parent values (1, 1), (2, 2); insert into heir values (1, 1), (2, 2);
  create table parts (id int primary key, n int) partition by range (id);
  create table parts_low partition of parts for values from (0) to (100);
  insert into parts values (1, 1), (2, 2);
  create table owner_rows (id int primary key, n int);
  create table owned (id int primary key, owner int references owner_rows on delete cascade);
  insert into owner_rows values (1, 1), (2, 2); insert into owned values (1, 1), (2, 2), (3, 2);
  create table watched (id int primary key, n int);
  insert into watched values (1, 1), (2, 2);
  create function watch() returns trigger language plpgsql as $$ begin return new; end $$;
  create trigger watching before update on watched for each row execute function watch();
  create table policed (id int primary key, n int);
  insert into policed values (1, 1), (2, 2);
  alter table policed enable row level security;
  create policy everyone on policed using (true);
  create function one() returns int language sql immutable as 'select 1';
  create schema other;
  create table other.pairs (tenant int, id int, text text, primary key (tenant, id));
  grant usage on schema other to gateway, analyser;
  grant select, insert, update, delete on all tables in schema other to gateway;
`;

export const startShapes = (more: Parameters<typeof startGateway>[0] = {}): Promise<TestGateway> =>
  startGateway({
    ...more,
    onlyRules: SHAPE_RULES + (more.rules ?? ''),
    rules: '',
    schema: SCHEMA.replace('create table some', 'create table "some"')
      .replace('on some (id)', 'on "some" (id)')
      .replace('insert into some', 'insert into "some"'),
  });

export type Sent = { readonly text: string; readonly values?: unknown[] } | string;

export const query = (client: pg.Client, sent: Sent): Promise<any> =>
  (typeof sent === 'string' ? client.query(sent) : client.query(sent.text, sent.values)).then(
    (result) => result,
    (error: unknown) => error,
  );

/** Approves what waits now, with its shape unless `body` says otherwise; the answer's status. */
export const approve = async (
  gateway: TestGateway,
  id: string,
  who: Who = 'approver',
  body: object = { shape: true },
): Promise<number> =>
  (
    await gateway.api(who, `/requests/${id}/decision`, {
      decision: 'approve',
      reason: 'because',
      ...body,
    })
  ).status;

const known = async (gateway: TestGateway): Promise<string[]> => {
  const { rows } = await gateway.storeSql.query('select id from countersign.request');
  return rows.map(({ id }) => id);
};

/** Sends it, waits for its hold, and approves it with its shape. It has run then. */
export async function approved(
  gateway: TestGateway,
  client: pg.Client,
  sent: Sent,
  body?: object,
): Promise<any> {
  const before = await known(gateway);
  const answer = query(client, sent);
  const { id } = await gateway.pending(before);
  assert.equal(await approve(gateway, id, 'approver', body), 200);
  const result = await answer;
  assert.ok(!(result instanceof Error), String(result));
  return (await gateway.api('approver', `/requests/${id}`)).body;
}

/** True when it runs without anybody being asked; what is held is denied. */
export async function runsAlone(
  gateway: TestGateway,
  client: pg.Client,
  sent: Sent,
): Promise<boolean> {
  const before = await known(gateway);
  let done: unknown;
  const answer = query(client, sent).then((result) => (done = result));
  const held = await eventually('an answer or a hold', async () => {
    if (done !== undefined) return { id: undefined };
    const { rows } = await gateway.storeSql.query(
      `select id from countersign.request where state = 'pending' and not id = any ($1)`,
      [before],
    );
    return rows[0];
  });
  if (held.id !== undefined) {
    const vote = { decision: 'deny', reason: 'no' };
    // One of them may, whatever the rules of the moment say.
    for (const who of ['approver', 'security'])
      // oxlint-disable-next-line no-await-in-loop -- the second only when the first may not
      await gateway.api(who, `/requests/${held.id}/decision`, vote);
    await answer;
    return false;
  }
  assert.ok(!(done instanceof Error), String(done));
  return true;
}
