import { serialize } from 'pg-protocol';
import { B, C, D, E, P, run, S } from '../fakes/raw-client.ts';
import { attacks } from './sql-world.ts';

const path = 'set search_path = scratch, public';
const bind = (statement = 's', values: unknown[] = []): Buffer =>
  serialize.bind({ statement, values });
const typed = (text: string, types: number[], name = 's'): Buffer =>
  serialize.parse({ name, text, types });
/** A Query whose text is these very bytes. */
function bytes(...parts: readonly (string | number)[]): Buffer {
  const text = Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from([part]))),
  );
  const head = Buffer.alloc(5, 'Q');
  head.writeInt32BE(text.length + 5, 1);
  return Buffer.concat([head, text, Buffer.alloc(1)]);
}

attacks('what a session may do to the meaning of a statement', {
  'a prepared statement': [
    'masked',
    {
      'by SQL': ['prepare p as select code from vault where id = $1', 'execute p(1)'],
      'with declared types': ['prepare p (text) as select $1 || code from vault', `execute p('x')`],
      'over the wire': [[P('select code from vault'), B(), E(), S()]],
      'with a parameter in the output': [
        [P('select $1::text || code as x from vault', 's'), bind('s', ['x']), E(), S()],
      ],
      'with parameters of other types': [
        [typed('select code, $1 from vault', [20]), bind('s', ['1']), D('P'), E(), S()],
      ],
      'parsed again with other types': [
        [typed('select $1 as id', [20]), bind('s', ['1']), E(), S()],
        [
          C('S', 's'),
          typed('select $1 || code as id from vault', [25]),
          bind('s', ['1']),
          E(),
          S(),
        ],
      ],
      'by SQL, executed over the wire': [
        'prepare p as select code from vault',
        [run('execute p'), S()],
      ],
      'over the wire, executed by SQL': [[P('select code from vault', 'p'), S()], 'execute p'],
      'in binary': [[P('select code, tags, raw from vault'), B({ binary: true }), E(), S()]],
      'in pieces': [
        [
          P('select code from vault', 's'),
          B({ portal: 'p', statement: 's' }),
          E({ portal: 'p', rows: 1 }),
          E({ portal: 'p', rows: 2 }),
          S(),
        ],
      ],
      'beside another portal of it': [
        [
          P('select code from vault where id = $1', 's'),
          serialize.bind({ portal: 'a', statement: 's', values: ['1'] }),
          serialize.bind({ portal: 'b', statement: 's', values: ['2'] }),
          E({ portal: 'b' }),
          E({ portal: 'a' }),
          S(),
        ],
      ],
      'under a path that is new to it': [
        path,
        [P('select id, city from vault', 's'), S()],
        'create table scratch.vault (id int)',
        'set search_path = public',
        [bind(), E(), S()],
        'drop table scratch.vault',
        'table vault',
      ],
    },
  ],
  'a cursor': [
    'masked',
    {
      'moved and fetched backwards': [
        'begin',
        'declare c scroll cursor for select code from vault',
        'move 3 in c',
        'fetch backward 2 from c',
      ],
      'fetched absolutely': [
        'begin',
        'declare c scroll cursor for select code from vault',
        'fetch absolute -1 from c',
      ],
      'in binary': [
        'begin',
        'declare c binary cursor for select code, tags from vault',
        'fetch all from c',
      ],
      'by a quoted name': [
        'begin',
        'declare "C ""x" cursor for select code from vault',
        'fetch all in "C ""x"',
      ],
      'for update': [
        'begin',
        'declare c cursor for select code from vault for update',
        'fetch 1 from c',
        `update vault set city = 'x' where current of c returning code, vault`,
      ],
      'behind a savepoint': [
        'begin',
        'declare c cursor for select code from vault',
        'savepoint s',
        'fetch 1 from c',
        'rollback to s',
        'fetch 1 from c',
      ].slice(0, 4),
      'of a write in an expression': [
        'begin',
        'declare c cursor for with recursive r as (select code from vault) select * from r',
        'fetch forward all from c',
      ],
    },
  ],
  'names that come to mean others': [
    'refused',
    {
      'a view before a prepared statement': [
        path,
        [P(`select ssn || '' as x from v_barrier`, 's'), S()],
        'create view scratch.v_barrier as select id, name as ssn from public.customers',
        [bind(), E(), S()],
      ],
      'a view before PREPARE': [
        path,
        `prepare s as select deeper || '' as x from v_chain2`,
        'create view scratch.v_chain2 as select id, name as deeper from public.customers',
        'execute s',
      ],
      'a table before a held write': [
        path,
        [P('update payments set amount = 1 where id = 1', 's'), S()],
        'create table scratch.payments (id int, amount numeric)',
        [bind(), E(), S()],
      ],
      'a table before EXPLAIN ANALYZE of EXECUTE': [
        path,
        'prepare s as update orders set total = 1 where id = 1',
        'create table scratch.orders (id int, total numeric)',
        'explain analyze execute s',
      ],
      'the path spelt in another way': [
        path,
        [P(`select code || '' from made`, 's'), S()],
        'create table scratch.made (id int, code text)',
        'set search_path = "scratch", scratch, pg_temp, public, pg_catalog',
        'set search_path = scratch,nowhere,public',
        [bind(), E(), S()],
      ],
      'a renamed table': [
        path,
        'create table scratch.aside (id int, code text)',
        [P(`select code || '' from guarded`, 's'), S()],
        'alter table scratch.aside rename to guarded',
        [bind(), E(), S()],
      ],
    },
  ],
  'things of the session alone': [
    'refused',
    {
      'a temporary table': 'create temp table orders as select 1 as id',
      'a temporary view': 'create temporary view vault as select id from public.vault',
      'a table in pg_temp': 'create table pg_temp.orders (id int)',
      'a table in pg_temp, escaped': String.raw`create table U&"pg\005ftemp".orders (id int)`,
      'SELECT INTO a temporary table': 'select id into temp orders from vault',
      'SELECT INTO pg_temp': 'select id into pg_temp.orders from vault',
      'a recursive temporary view': 'create temp recursive view vault (id) as select 1',
      'a temporary sequence': 'create temp sequence numbers',
      'a type': 'create type pg_temp.text as enum ($$a$$)',
      'a domain': 'create domain pg_temp.int4 as text',
      'a function': `create function pg_temp.upper(text) returns text language sql as 'select $1'`,
      'an operator':
        'create operator pg_temp.= (leftarg = text, rightarg = text, function = texteq)',
      'a path with pg_temp first': [
        'set search_path = pg_temp, public',
        'create table orders (id int)',
      ],
      'a role': 'set role none',
      'a session': 'set session authorization default',
      'backslashes in strings': 'set standard_conforming_strings = off',
      'backslashes in quotes': 'set backslash_quote = on',
      'another encoding': `set client_encoding = 'SJIS'`,
      'another encoding by NAMES': `set names 'GBK'`,
      BIG5: 'set client_encoding to big5',
      'comparisons with null': 'set transform_null_equals = on',
      'row security': 'set row_security = off',
      messages: 'set client_min_messages = debug1',
      'trees in messages': 'set debug_print_rewritten = on',
      replication: 'set session_replication_role = replica',
      'a library': `load 'auto_explain'`,
      'a setting that another reads': `set local log_statement = 'all'`,
      'two phases': ['begin', `prepare transaction 'x'`],
      'a notification': `notify a, 'b'`,
      'a channel': 'listen a',
    },
  ],
  bytes: [
    'silent',
    {
      'half of a character before a quote': [
        [bytes(`select '`, 0x95, `\\' or code is not null --' from vault`)],
      ],
      'an overlong quote': [[bytes(`select '`, 0xc0, 0xa7, `' , code from vault`)]],
      'a quote of another width': [[bytes('select ＇x＇, code from vault')]],
      'a byte that is no character': [[bytes(`select 'x`, 0xff, `', code from vault`)]],
      'a surrogate': [[bytes(`select '`, 0xed, 0xa0, 0x80, `', code from vault`)]],
      'a name of a Cyrillic letter': 'select сode from vault',
      'a soft hyphen in a name': 'select co\u00adde from vault',
      'a blank of another width': 'select\u3000code\u00a0from vault',
      'a mark of byte order': '\ufeffselect code from vault',
      'a line that turns around': 'select code /* \u202e */ from vault',
      'a comment that ends in a string': `select '/*' as a, code as b from vault -- */`,
      'nested comments': 'select /* /* */ ssn */ code from vault',
      'a comment before a line': 'select code --\r, ssn\n from v_chain2, vault',
      'names that are cut': `select code as ${'x'.repeat(70)} from vault`,
      'a dollar quote in a dollar quote': 'select $a$ $b$ $a$, code, $b$ $b$ from vault',
      'a Unicode string': String.raw`select U&'\0027', code from vault`,
      'a string with the escape character': `select U&'!0027' uescape '!', code from vault`,
      'a parameter glued to a name': [[P('select code$1 from vault'), B(), E(), S()]],
      'a number glued to a name': 'select 1code from vault',
      'two statements': 'select 1; select code from vault',
      'a statement behind an empty one': ';;select code from vault;;',
    },
  ],
  'a write that must wait': [
    'held',
    {
      UPDATE: 'update payments set amount = 1 where id = 1',
      DELETE: 'delete from payments where id = 1',
      TRUNCATE: 'truncate payments',
      'an upsert': `insert into payments (id, order_id, amount, method) values (1, 1, 1, 'x') on conflict (id) do update set amount = 5`,
      MERGE: 'merge into payments p using (values (1)) v(i) on p.id = v.i when matched then delete',
      'in a string': 'select 1; update payments set amount = 1 where id = 1',
      'behind comments': '/* select 1 */ update/**/payments set amount = 1 where id = 1',
      'in an expression':
        'with x as (update payments set amount = 1 where id = 1 returning id) select * from x',
      'in an expression that is not read': 'with x as (delete from payments where id = 1) select 1',
      'in EXPLAIN ANALYZE': 'explain (analyze on) update payments set amount = 1 where id = 1',
      'in EXPLAIN ANALYZE 1': 'explain (analyze 1, costs off) delete from payments where id = 1',
      'in COPY': 'copy (update payments set amount = 1 where id = 1 returning id) to stdout',
      'by EXECUTE': ['prepare p as update payments set amount = 1 where id = 1', 'execute p'],
      'by EXPLAIN of EXECUTE': [
        'prepare p as update payments set amount = 1 where id = 1',
        'explain analyze execute p',
      ],
      'over the wire': [
        [P('update payments set amount = $1 where id = 1', 's'), bind('s', ['1']), E(), S()],
      ],
      'over the wire, behind another': [
        [run('select 1'), P('delete from payments where id = 1'), B(), E(), S()],
      ],
      'by its cursor': [
        'begin',
        'declare c cursor for select * from payments for update',
        'move 1 in c',
        'update payments set amount = 1 where current of c',
      ],
      'by the key that cascades': 'delete from only payments where id = 1',
      'under a quoted name': 'update "public"."payments" set "amount" = 1 where id = 1',
      'under an alias': 'update payments as vault set amount = 1 where vault.id = 1',
      'COPY into it': 'copy payments (id, order_id, amount, method) from stdin',
    },
  ],
});
