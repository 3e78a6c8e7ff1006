import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import pg from 'pg';
import { personalTarget } from '#src/config/personal.ts';
import { eventually, outcome, startGateway, type TestGateway } from '../fakes/gateway.ts';

const RULES = `
@id("come") permit (principal, action == Action::"connect", resource);
@id("shown") permit (principal, action in [Action::"reveal", Action::"filter", Action::"assign"], resource);
@id("public") permit (principal, action in [Action::"read", Action::"write"], resource in Schema::"shop/public");
@id("notes-of-engineer") permit (principal, action == Action::"read", resource in Schema::"shop/engineer");
@id("orders-wait") @hold("dba") forbid (principal, action == Action::"write", resource == Table::"shop/public/orders");
`;
/** Two people with roles of their own, each with a schema that \`"$user"\` stands for, and one that only approver may look into. */
const SCHEMA = `
  create role engineer login password 'secret of engineer';
  create role approver login password 'secret of approver';
  create role oncall login superuser password 'secret of oncall';
  create role security login createrole password 'secret of security';
  create role stranger login password 'secret of stranger';
  create role programs login password 'secret of programs';
  create role "o'brien" login password 'x';
  grant analyser to stranger;
  grant pg_execute_server_program to programs;
  create schema engineer; create schema approver; create schema hidden;
  create table engineer.notes as select 'of engineer' as text;
  create table approver.notes as select 'of approver' as text;
  create table hidden.customers as select 'hidden' as name;
  create table own (role text);
  insert into own values ('engineer'), ('approver');
  alter table own enable row level security;
  create policy mine on own using (role = current_user);
  grant usage on schema public, engineer, approver to engineer, approver, analyser;
  grant usage on schema hidden to approver, analyser;
  grant select on own, engineer.notes, approver.notes, hidden.customers, customers to engineer, approver;
  grant select, update on orders to engineer;
`;
const PEOPLE = [
  'engineer',
  'approver',
  'oncall',
  'security',
  'stranger',
  'programs',
  'analyser',
  'gateway',
  'pg_monitor',
  'nobody',
  "o'brien",
];

suite('people who log in to a target as roles of their own', () => {
  let gateway: TestGateway;
  const asked: string[] = [];
  before(async () => {
    gateway = await startGateway({
      onlyRules: RULES,
      schema: SCHEMA,
      config: {
        people: new Map(
          PEOPLE.map((who) => [
            `${who}@example.com`,
            { name: who, groups: who === 'approver' ? ['engineering', 'dba'] : ['engineering'] },
          ]),
        ),
      },
      shop: (usual) =>
        personalTarget(usual, '{{person.login}}', {
          written: '${file:{{person.login}}}',
          secret: (login) => () => {
            asked.push(login);
            return Promise.resolve(`secret of ${login}`);
          },
        }),
    });
  });
  after(() => gateway?.stop());

  const refused = async (who: string): Promise<any> => {
    const answer = await outcome(gateway.open(who));
    assert.equal(answer.code, '28000', `${who}: ${answer.message}`);
    return answer;
  };

  test('are those roles to the server, by their own password, and the record says which', async () => {
    for (const who of ['engineer', 'approver']) {
      const client = await gateway.open(who);
      const { rows } = await client.query('select role from own');
      assert.deepEqual(rows, [{ role: who }], 'row security goes by the person');
      await client.end();
    }
    assert.deepEqual(new Set(asked), new Set(['engineer', 'approver']));
    const starts = await gateway.records('session-start');
    assert.deepEqual(
      starts.map(({ person, json }) => [person, json.body.role]),
      [
        ['engineer@example.com', 'engineer'],
        ['approver@example.com', 'approver'],
      ],
    );
  });

  test('have their statements judged by what the names mean to their role', async () => {
    const engineer = await gateway.open('engineer');
    const { rows } = await engineer.query('select text from notes');
    assert.deepEqual(rows, [{ text: 'of engineer' }]);
    await engineer.query('set search_path = hidden, public');
    // Not theirs to look into, so the server goes on to public, and so do the rules.
    const found = await engineer.query('select name from customers where id = 1');
    assert.deepEqual(found.rows, [{ name: 'Name 1' }]);
    const approver = await gateway.open('approver');
    const notes = await outcome(approver.query('select text from notes'));
    assert.match(notes.message, /no rule permits read on shop\.approver\.notes/);
    await approver.query('set search_path = hidden, public');
    const hidden = await outcome(approver.query('select name from customers'));
    assert.match(hidden.message, /no rule permits read on shop\.hidden\.customers/);
    await engineer.end();
    await approver.end();
  });

  test('are judged anew when their role may look into another schema', async () => {
    const look = async (): Promise<any> => {
      const client = await gateway.open('engineer');
      await client.query('set search_path = hidden, public');
      const answer = await outcome(client.query('select name from customers limit 1'));
      await client.end().catch(() => undefined);
      return answer;
    };
    assert.equal((await look()).rowCount, 1);
    await gateway.targetSql.query('grant usage on schema hidden to engineer');
    // Until the gateway has looked again, the session ends: what came is not what was judged.
    const message = await eventually('the refusal', async () => {
      const answer = await look();
      return /shop\.hidden\.customers/.test(answer.message ?? '') && answer.message;
    });
    assert.match(message, /no rule permits read/);
    await gateway.targetSql.query('revoke usage on schema hidden from engineer');
  });

  test('hold, approve and cancel as others do', async () => {
    const client = await gateway.open('engineer');
    const update = client.query("update orders set status = 'x' where id = 1");
    await gateway.pending();
    const voted = await gateway.decide('approve');
    assert.equal(voted.status, 200, JSON.stringify(voted.body));
    assert.equal((await update).rowCount, 1);
    const query = new pg.Query('select pg_sleep(60)');
    const slept = new Promise<any>((resolve) => query.on('error', resolve));
    client.query(query);
    await eventually('the sleep', async () => {
      const { rows } = await gateway.targetSql.query(
        "select usename from pg_stat_activity where query = 'select pg_sleep(60)' and state = 'active'",
      );
      return rows[0]?.usename === 'engineer';
    });
    const canceller: any = new pg.Client({
      host: '127.0.0.1',
      port: gateway.running.postgres.port,
    });
    canceller.cancel(client, query);
    assert.equal((await slept).code, '57014');
    assert.equal((await client.query('select 1 as one')).rows[0].one, 1);
    await client.end();
  });

  test('are nobody there whose role could do what rules cannot bind', async () => {
    const lookups = asked.length;
    for (const who of ['oncall', 'security', 'stranger', 'programs'])
      assert.match(
        (await refused(who)).message,
        new RegExp(`the role ${who} may do what rules cannot bind`),
      );
    for (const who of ['analyser', 'pg_monitor'])
      assert.match((await refused(who)).message, new RegExp(`the role ${who} is not a person’s`));
    assert.match((await refused('nobody')).message, /there is no role nobody/);
    assert.match((await refused("o'brien")).message, /characters that no role there may have/);
    assert.equal(asked.length, lookups, 'no secret was looked up for them');
  });

  test('share no role: two addresses with the same name are refused, whatever became of the other', async () => {
    const add = (email: string, state: string) =>
      gateway.storeSql.query(
        `insert into countersign.person (email, provider, subject, name, valid_until, state)
         values ($1, 'acme', $1, 'x', clock_timestamp() + interval '1 day', $2)`,
        [email, state],
      );
    await add('engineer@other.example', 'deactivated');
    assert.match(
      (await refused('engineer')).message,
      /somebody else’s address has engineer before the @/,
    );
    await gateway.storeSql.query(
      "delete from countersign.person where email = 'engineer@other.example'",
    );
    await add('"x@engineer"@other.example', 'active');
    const client = await gateway.open('engineer');
    await client.end();
  });

  test('cannot be taken over by what somebody does as themselves', async () => {
    const client = await gateway.open('engineer');
    for (const text of [
      'set role approver',
      'set session authorization approver',
      'reset session authorization',
    ]) {
      const answer = await outcome(client.query(text));
      assert.ok(answer.code, text);
    }
    const { rows } = await client.query('select role from own');
    assert.deepEqual(rows, [{ role: 'engineer' }]);
    await client.end();
  });
});
