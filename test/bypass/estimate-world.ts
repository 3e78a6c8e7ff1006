import { readFile } from 'node:fs/promises';
import { eventually, startGateway, type TestGateway } from '../fakes/gateway.ts';

/** Writes to every table wait for a DBA, who is to see how many rows, and which. */
const RULES = `
@id("connect")
permit (principal in Group::"engineering", action == Action::"connect", resource == Target::"shop");
@id("work")
permit (principal in Group::"engineering", action in [Action::"read", Action::"write", Action::"delete"], resource in Target::"shop");
@id("run")
permit (principal in Group::"engineering", action == Action::"execute", resource);
@id("columns")
permit (principal in Group::"engineering", action in [Action::"reveal", Action::"filter", Action::"join", Action::"assign"], resource in Target::"shop");
@id("ssn") @mask("null")
forbid (principal, action == Action::"reveal", resource == Column::"shop/public/customers/ssn") unless { principal in Group::"security" };
@id("keys-hidden") @mask("null")
forbid (principal, action == Action::"reveal", resource == Column::"shop/public/hidden_keys/ssn") unless { principal in Group::"security" };
@id("writes-wait") @hold("dba") @count("exact") @sample("3")
forbid (principal, action in [Action::"write", Action::"delete"], resource);
`;

/** Functions, operators, types and views of an owner: each tells when it runs, and none may run for an estimate. */
export const SCHEMA = `
  create table trace (what text not null);
  create function tells(int) returns int language plpgsql immutable as
    $$ begin raise log 'OWN %', 'CODE RAN'; return $1; end $$;
  create function stably(int) returns int language plpgsql stable as
    $$ begin raise log 'OWN %', 'CODE RAN'; return $1; end $$;
  create function same(int, int) returns boolean language plpgsql immutable as
    $$ begin raise log 'OWN %', 'CODE RAN'; return $1 = $2; end $$;
  create operator === (leftarg = int, rightarg = int, function = same);
  create domain checked as int check (tells(value) > 0);
  create view seen as select id, tells(1) as one from orders;
  create table defaults (id int primary key, n int not null default tells(1), text text);
  insert into defaults values (1, 1, 'a'), (2, 2, 'b');
  create table policed (id int primary key, text text);
  insert into policed select n, 'x' from generate_series(1, 5) n;
  alter table policed enable row level security;
  create policy few on policed using (tells(id) < 3);
  create table pairs (tenant int, id int, text text, primary key (tenant, id));
  insert into pairs select t, n, 'x' from generate_series(1, 3) t, generate_series(1, 4) n;
  create table words (word text primary key, n int not null default 0);
  insert into words values ('one', 1), ('two', 2);
  create table quiet (id uuid primary key, n int);
  create table parent (id int primary key, n int);
  create table heir () inherits (parent);
  insert into parent values (1, 1); insert into heir values (1, 1);
  create table hidden_keys (ssn text primary key, n int);
  insert into hidden_keys select '123-45-' || lpad(n::text, 4, '0'), n from generate_series(1, 3) n;
  create table mails (mail text primary key, n int);
  insert into mails values ('person1@example.org', 1);
  create sequence counter;
`;

export const startEstimates = (rules = ''): Promise<TestGateway> =>
  startGateway({ onlyRules: RULES + rules, schema: SCHEMA });

/** Whether the target said that code of an owner ran. */
export async function ownCodeRan({ target }: TestGateway): Promise<boolean> {
  return (await readFile(target.logFile, 'utf8')).includes('OWN CODE RAN');
}

/** The request once it says what is known of its rows. */
export const rowsOf = (gateway: TestGateway, id: string): Promise<any> =>
  eventually('what is known of rows', async () => {
    const { body } = await gateway.api('approver', `/requests/${id}`);
    return body.rows && body.rows.state !== 'estimating' ? body : undefined;
  });

/** Sends a statement that is held, waits until its card is complete, and withdraws it unless `keep` says otherwise. */
export async function heldWith(
  gateway: TestGateway,
  sql: string,
  values?: unknown[],
): Promise<{ readonly request: any; readonly answer: Promise<any>; end(): Promise<void> }> {
  const { rows } = await gateway.storeSql.query('select id from countersign.request');
  const client = await gateway.open();
  const answer = client.query(sql, values).catch((error: unknown) => error);
  const { id } = await gateway.pending(rows.map((row) => row.id));
  const request = await rowsOf(gateway, id);
  return {
    request,
    answer,
    async end() {
      await gateway.api('approver', `/requests/${id}/decision`, { decision: 'deny', reason: 'no' });
      await answer;
      await client.end();
    },
  };
}
