import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import { eventually, startGateway, type TestGateway, type Who } from '../fakes/gateway.ts';
import { codes, Q, RawClient, told, type Heard } from '../fakes/raw-client.ts';

/** What the rules hide. `ssn` may not be searched either; `card` and `vault.code` may. */
export const SCHEMA = `
  create schema scratch;
  create schema app;
  grant usage on schema scratch, app to gateway, analyser;
  grant create on schema scratch to gateway;
  create table vault (id int primary key, code text not null, tags text[] not null, doc jsonb not null, raw bytea not null, city text not null);
  insert into vault select n, 'vq7-' || lpad(n::text, 4, '0') || '-zulu', array['vq7-' || lpad(n::text, 4, '0') || '-zulu'],
    jsonb_build_object('code', 'vq7-' || lpad(n::text, 4, '0') || '-zulu'), convert_to('vq7-' || lpad(n::text, 4, '0') || '-zulu', 'UTF8'), 'Lisbon'
    from generate_series(1, 5) n;
  create unique index on customers (ssn);
  create view v_barrier with (security_barrier) as select id, ssn from customers;
  create view v_invoker with (security_invoker) as select id, ssn from customers;
  create view v_chain as select id, ssn as hidden, code from customers join vault using (id);
  create view v_chain2 as select id, hidden as deeper, upper(code) as shout from v_chain;
  create view v_names as select id, name as x from customers;
  create materialized view v_copies as select id, ssn as kept, reverse(code) as back from customers join vault using (id);
  create table people (id int, ssn text not null) partition by list (id);
  create table people_1 partition of people for values in (1);
  create table people_2 partition of people for values in (2);
  insert into people select n, '123-45-' || lpad(n::text, 4, '0') from generate_series(1, 2) n;
  create table animals (id int, chip text);
  create table dogs (breed text) inherits (animals);
  insert into dogs select n, 'vq7-' || lpad(n::text, 4, '0') || '-zulu', 'pug' from generate_series(1, 3) n;
  create table made (id int, code text, tail text generated always as (right(code, 6)) stored, alive text generated always as (reverse(code)) virtual);
  insert into made (id, code) select id, code from vault;
  create table notes (id int primary key, note text);
  insert into notes values (1, 'plain');
  create table guarded (id int, code text);
  insert into guarded select id, code from vault;
  alter table guarded enable row level security;
  create policy own on guarded using (code like 'vq7%');
  create table inbox (id int, note text);
  create rule copy_in as on insert to inbox do also insert into notes select new.id, new.note;
  create rule peek as on update to inbox do instead select code from vault;
  create function app.add_text(a text, b text) returns text language sql immutable as 'select $1 || $2';
  create operator public.### (leftarg = text, rightarg = text, function = app.add_text);
  create aggregate app.glue(text) (sfunc = app.add_text, stype = text, initcond = '');
  create function app.get_code(i int) returns text language sql stable as 'select code from public.vault where id = i';
  create function app.rows_of() returns setof vault language sql stable as 'select * from public.vault';
  create function app.cry(i int) returns int language plpgsql stable as $$ begin raise exception 'it is %', (select ssn from public.customers where id = i); end $$;
  create function app.whisper(i int) returns int language plpgsql as $$ begin raise notice 'it is %', (select ssn from public.customers where id = i); return 1; end $$;
  create function app.path(p text) returns text language sql as $$ select set_config('search_path', p, false) $$;
  create function app.reveal(v vault) returns text language sql immutable as 'select $1.code';
  create type app.pair as (a text, b text);
  create function app.to_pair(t text) returns app.pair language sql immutable as $$ select row(t, t)::app.pair $$;
  create cast (text as app.pair) with function app.to_pair(text);
  create statistics app_stats (mcv) on ssn, city from customers;
  create sequence numbers;
  analyze;
  alter role gateway set standard_conforming_strings = off;
  alter role gateway set backslash_quote = on;
  alter role gateway set transform_null_equals = on;
  grant usage on sequence numbers to gateway;
`;

/** Hidden from everybody but security: column, mask. */
const HIDDEN: readonly (readonly [string, string])[] = [
  ['customers/ssn', 'null'],
  ['people/ssn', 'null'],
  ['customers/card', 'last4'],
  ...['code', 'tags', 'doc', 'raw'].map((name) => [`vault/${name}`, 'null'] as const),
  ['animals/chip', 'null'],
  ['made/code', 'null'],
  ['guarded/code', 'null'],
];
const SEARCHED = ['customers/ssn', 'people/ssn'];
/** Functions of the owner's own that rules let people call. */
const TRUSTED = ['cry', 'whisper', 'path'];

const unlessSecurity = 'unless { principal in Group::"security" }';
const RULES = `
  @id("w-connect") permit (principal in Group::"engineering", action == Action::"connect", resource == Target::"shop");
  @id("w-work") permit (principal in Group::"engineering", action in [Action::"read", Action::"write", Action::"delete"], resource in Target::"shop");
  @id("w-columns") permit (principal in Group::"engineering", action in [Action::"reveal", Action::"filter", Action::"join", Action::"assign"], resource in Target::"shop");
  @id("w-scratch") permit (principal in Group::"engineering", action == Action::"define", resource in Schema::"shop/scratch");
  @id("w-held") @hold("dba") @message("payments are changed by two people")
  forbid (principal, action in [Action::"write", Action::"delete"], resource == Table::"shop/public/payments");
  ${TRUSTED.map((name) => `@id("w-${name}") permit (principal in Group::"engineering", action == Action::"execute", resource == Function::"shop/app/${name}");`).join('\n')}
  ${HIDDEN.map(([column, mask]) => `@id("hide-${column.replace('/', '-')}") @mask("${mask}") forbid (principal, action == Action::"reveal", resource == Column::"shop/public/${column}") ${unlessSecurity};`).join('\n')}
  ${SEARCHED.map((column) => `@id("no-search-${column.replace('/', '-')}") @message("it would give the value away") forbid (principal, action in [Action::"filter", Action::"join"], resource == Column::"shop/public/${column}") ${unlessSecurity};`).join('\n')}
`;

/** Parts of the secrets, in the forms that a value can be dressed in: as it is, reversed, hex, base64 at each offset. */
export const LEAK = [
  /45-00\d\d|\d\d00-54|12345-?00\d\d|34352d3030|3030 ?2d/i,
  /vq7-\d|\d-7qv|7671372d|-zulu|uluz-|2d7a756c75|VQ7-\d|-ZULU/i,
  /1111 ?1100\d\d|\d\d001111|313131313030/,
  ...['45-00', 'vq7-00', '-zulu', '11111100'].flatMap(base64Forms),
];

/** What base64 makes of a text that begins at any of the three offsets, without the characters that its neighbours decide. */
function base64Forms(text: string): RegExp[] {
  return [0, 1, 2].map((offset) => {
    const whole = Buffer.from('\0'.repeat(offset) + text)
      .toString('base64')
      .replace(/=+$/, '');
    const cut = whole.slice(
      offset === 0 ? 0 : offset + 1,
      offset === 0 && text.length % 3 === 0 ? undefined : -1,
    );
    return new RegExp(cut.replace(/[+/]/g, String.raw`\$&`));
  });
}

export type World = {
  readonly gateway: TestGateway;
  /** Every byte that went to clients since the last `forget()`. */
  heard(): Buffer;
  forget(): void;
  connect(who?: Who, more?: Record<string, string>): Promise<RawClient>;
  /** One connection for all that leave nothing behind. */
  lasting(): Promise<RawClient>;
  stop(): Promise<void>;
};

/** One gateway whose clients are listened to on the wire. */
export async function startWorld(options: Parameters<typeof startGateway>[0] = {}): Promise<World> {
  const gateway = await startGateway({ schema: SCHEMA, onlyRules: RULES, ...options });
  let chunks: Buffer[] = [];
  const tap = net.createServer((client) => {
    const server = net.connect(gateway.running.postgres.port, '127.0.0.1');
    client.pipe(server);
    server.on('data', (chunk) => {
      chunks.push(chunk);
      client.write(chunk);
    });
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on('error', () => undefined);
      one.on('close', () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => tap.listen(0, '127.0.0.1', resolve));
  const address = tap.address();
  assert.ok(address !== null && typeof address === 'object');
  const through = {
    ...gateway,
    token: (who: Who) => gateway.token(who),
    running: { ...gateway.running, postgres: { port: address.port } },
  };
  const connect: World['connect'] = (who = 'engineer', more = {}) =>
    RawClient.connect(through as TestGateway, who, undefined, undefined, more);
  let lasting: Promise<RawClient> | undefined;
  return {
    gateway,
    connect,
    lasting: () => (lasting ??= connect()),
    heard: () => Buffer.concat(chunks),
    forget: () => void (chunks = []),
    async stop() {
      (await lasting)?.end();
      tap.close();
      await gateway.stop();
    },
  };
}

/** Fails when any byte that went out carries a part of a secret. */
export function assertSilent(bytes: Buffer, what: string): void {
  const text = bytes.toString('latin1');
  for (const leak of LEAK) {
    const found = leak.exec(text);
    assert.equal(
      found,
      null,
      `${what}: leaked ${found?.[0]} in ${text.slice(Math.max(0, (found?.index ?? 0) - 200), (found?.index ?? 0) + 200)}`,
    );
  }
}

/** One attack: SQL that is sent as one string, or messages and strings in turn, each up to its ReadyForQuery. */
export type Attack = string | readonly (string | Buffer | readonly Buffer[])[];
export type Attacks = Readonly<Record<string, Attack>>;
export type Want =
  /** Rows come, and no error. */
  | 'masked'
  /** The last of them ends in an error of ours, and did not reach the target. */
  | 'refused'
  /** It waits for approval, and nothing has run when the client goes away. */
  | 'held'
  /** It may succeed or fail as it likes. */
  | 'silent';

/** A world for one file, and tests in which not one byte of a secret may go out. */
export function attacks(
  title: string,
  tables: Readonly<Record<string, readonly [Want, Attacks]>>,
): void {
  describe(title, () => {
    let world: World;
    before(async () => {
      world = await startWorld();
    });
    after(() => world.stop());
    for (const [theme, [want, table]] of Object.entries(tables))
      for (const [name, attack] of Object.entries(table))
        test(`${theme}: ${name}`, () => tryOne(world, want, attack));
    test('nothing that was refused has reached the target', async () => {
      const ran = new Set(await world.gateway.ranOnTarget());
      for (const [want, table] of Object.values(tables))
        for (const attack of want === 'refused' ? Object.values(table) : []) {
          const last = typeof attack === 'string' ? attack : attack.at(-1);
          assert.ok(typeof last !== 'string' || !ran.has(last), String(last));
        }
    });
  });
}

export async function tryOne(world: World, want: Want, attack: Attack): Promise<void> {
  const steps = typeof attack === 'string' ? [attack] : attack;
  // What takes several steps or messages leaves names and transactions behind, and gets a connection of its own.
  const lasting = typeof attack === 'string' && want !== 'held';
  const client = lasting ? await world.lasting() : await world.connect();
  world.forget();
  try {
    let heard: Heard[] = [];
    for (const step of steps.slice(0, -1)) heard = await client.ask(...messages(step));
    const last = steps.at(-1) ?? '';
    if (want === 'held') return await waits(world, client, messages(last));
    heard = await client.ask(...messages(last));
    if (want === 'masked') assertRows(heard);
    if (want === 'refused') assertRefused(heard);
  } finally {
    if (!lasting) client.end();
    assertSilent(world.heard(), JSON.stringify(attack));
  }
}

const messages = (step: string | Buffer | readonly Buffer[]): readonly Buffer[] =>
  typeof step === 'string' ? [Q(step)] : Buffer.isBuffer(step) ? [step] : step;

function assertRows(heard: readonly Heard[]): void {
  assert.deepEqual(codes(heard), [], told(heard));
  assert.ok(
    heard.some(({ name }) => name === 'dataRow'),
    `no row came: ${told(heard)}`,
  );
}

function assertRefused(heard: readonly Heard[]): void {
  const error = heard.findLast(({ name }) => name === 'error');
  assert.match(String(error?.message), /^countersign: (?!the text of)/, told(heard));
  // What does not exist proves nothing.
  assert.doesNotMatch(error.message, /does not exist|syntax error/, told(heard));
  assert.ok(!heard.some(({ name }) => name === 'dataRow' || name === 'copyData'), told(heard));
}

async function waits(world: World, client: RawClient, bytes: readonly Buffer[]): Promise<void> {
  const was = await payments(world);
  client.send(...bytes);
  const { id } = await world.gateway.pending();
  assert.deepEqual(await payments(world), was);
  client.end();
  await eventually('the request withdrawn', async () => {
    const { rows } = await world.gateway.storeSql.query(
      'select state from countersign.request where id = $1',
      [id],
    );
    return rows[0]?.state !== 'pending';
  });
}

async function payments({ gateway }: World): Promise<unknown> {
  const { rows } = await gateway.targetSql.query(
    `select string_agg(p::text, ',' order by id) as all from payments p`,
  );
  return rows[0];
}
