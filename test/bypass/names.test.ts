import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { startGateway, type TestGateway } from '../fakes/gateway.ts';
import { B, C, codes, D, E, F, P, Q, RawClient, run, S, told } from '../fakes/raw-client.ts';
import { SECRET } from './support.ts';

const SCHEMA = `
  create procedure app_commits() language plpgsql as $$ begin commit; end $$;
  create function app_tenant(path text) returns text language sql as $$ select set_config('search_path', path, false) $$;
  create schema tenant;
  grant usage on schema tenant to gateway, analyser;
  create table tenant.orders (id bigint, status text);
  create view tenant.names as select id, ssn as x from customers;
  create view names as select id, name as x from customers;
  grant select on tenant.orders, tenant.names to gateway;
`;
const RULES = `
  @id("test-commits")
  permit (principal in Group::"engineering", action == Action::"execute", resource == Function::"shop/public/app_commits");
  @id("test-tenant")
  permit (principal in Group::"engineering", action == Action::"execute", resource == Function::"shop/public/app_tenant");
`;
const CLEAR = 'select name as ssn from customers where id = 1';
const MASKED = 'select ssn from customers where id = 1';

describe('names of the session', () => {
  let gateway: TestGateway;
  let client: RawClient;
  before(async () => {
    gateway = await startGateway({ schema: SCHEMA, rules: RULES });
  });
  after(() => gateway.stop());
  beforeEach(async () => {
    client?.end();
    client = await RawClient.connect(gateway);
  });

  /** Sends each of the batches, and fails when a secret comes back. */
  async function hear(...batches: readonly (readonly Buffer[])[]): Promise<string> {
    const heard: unknown[] = [];
    for (const batch of batches) heard.push(...(await client.ask(...batch)));
    const text = told(heard);
    assert.doesNotMatch(text, SECRET);
    return text;
  }

  const REBOUND: Readonly<Record<string, readonly (readonly Buffer[])[]>> = {
    'the unnamed statement parsed twice': [[P(CLEAR), P(MASKED), B(), E(), S()]],
    'a name given anew after Close': [
      [P(CLEAR, 's'), C('S', 's'), P(MASKED, 's'), B({ statement: 's' }), E(), S()],
    ],
    'a name given anew after DEALLOCATE in the same pipeline': [
      [P(CLEAR, 's'), S()],
      [run('deallocate s'), P(MASKED, 's'), B({ statement: 's' }), E(), S()],
    ],
    'a quoted name given anew after DEALLOCATE': [
      [
        P(CLEAR, 'A "B'),
        run('deallocate "A ""B"'),
        P(MASKED, 'A "B'),
        B({ statement: 'A "B' }),
        E(),
        S(),
      ],
    ],
    'a name given anew after DEALLOCATE ALL': [
      [P(CLEAR, 's'), run('deallocate all'), P(MASKED, 's'), B({ statement: 's' }), E(), S()],
    ],
    'a name given anew after DISCARD ALL': [
      [P(CLEAR, 's'), S()],
      [run('discard all'), P(MASKED, 's'), B({ statement: 's' }), E(), S()],
    ],
    'a name given anew with Flush between the messages': [
      [
        P(CLEAR, 's'),
        F(),
        run('deallocate s'),
        F(),
        P(MASKED, 's'),
        F(),
        B({ statement: 's' }),
        E(),
        S(),
      ],
    ],
    'a name of PREPARE given anew over the wire': [
      [
        run(`prepare s as ${CLEAR}`),
        run('deallocate s'),
        P(MASKED, 's'),
        B({ statement: 's' }),
        E(),
        S(),
      ],
    ],
    'a portal given anew after COMMIT': [
      [
        P(CLEAR, 'a'),
        P(MASKED, 'b'),
        B({ portal: 'p', statement: 'a' }),
        run('commit'),
        B({ portal: 'p', statement: 'b' }),
        E({ portal: 'p' }),
        S(),
      ],
    ],
    'a portal given anew after a procedure that commits': [
      [
        P(CLEAR, 'a'),
        P(MASKED, 'b'),
        B({ portal: 'p', statement: 'a' }),
        run('call app_commits()'),
        B({ portal: 'p', statement: 'b' }),
        E({ portal: 'p' }),
        S(),
      ],
    ],
    'a portal given anew after ROLLBACK TO': [
      [
        run('begin'),
        run('savepoint s'),
        P(CLEAR, 'a'),
        P(MASKED, 'b'),
        B({ portal: 'p', statement: 'a' }),
        run('rollback to s'),
        B({ portal: 'p', statement: 'b' }),
        E({ portal: 'p' }),
        S(),
      ],
    ],
    'a portal given anew after CLOSE of the same name': [
      [
        run('begin'),
        P(CLEAR, 'a'),
        P(MASKED, 'b'),
        B({ portal: 'p', statement: 'a' }),
        run('close p'),
        B({ portal: 'p', statement: 'b' }),
        E({ portal: 'p' }),
        S(),
      ],
    ],
    'a portal fetched in pieces': [
      [
        P(MASKED.replace(' where id = 1', ''), 'a'),
        B({ portal: 'p', statement: 'a' }),
        E({ portal: 'p', rows: 1 }),
        E({ portal: 'p', rows: 1 }),
        S(),
      ],
    ],
    'a cursor declared anew in the same string': [
      [
        Q(
          `begin; declare c cursor for ${CLEAR}; close c; declare c cursor for ${MASKED}; fetch 1 from c; rollback`,
        ),
      ],
    ],
    'a cursor moved and fetched backwards': [
      [
        Q(
          'begin; declare c scroll cursor for select ssn from customers; move 3 in c; fetch backward 1 from c; rollback',
        ),
      ],
    ],
    'EXECUTE of a prepared masked column': [[Q(`prepare s as ${MASKED}`)], [Q('execute s')]],
    'EXECUTE over the wire': [[Q(`prepare s as ${MASKED}`)], [run('execute s'), S()]],
    'EXECUTE of a statement prepared over the wire': [[P(MASKED, 's'), S()], [Q('execute s')]],
    'EXPLAIN ANALYZE of EXECUTE': [
      [Q(`prepare s as ${MASKED}`)],
      [Q('explain (analyze, verbose) execute s')],
    ],
    'binary results': [[P(MASKED), B({ binary: true }), D('P'), E(), S()]],
  };
  for (const [name, batches] of Object.entries(REBOUND))
    test(`${name} cannot show a masked value`, async () => {
      const text = await hear(...batches);
      assert.doesNotMatch(text, /^error/m);
    });

  const REFUSED: Readonly<Record<string, readonly (readonly Buffer[])[]>> = {
    'the statement of PREPARE bound over the wire': [
      [Q(`prepare s as ${MASKED}`)],
      [B({ statement: 's' }), E(), S()],
    ],
    'a wire name that PREPARE took over': [
      [P(CLEAR, 's'), C('S', 's'), run(`prepare s as ${MASKED}`), B({ statement: 's' }), E(), S()],
    ],
    'a cursor executed as a portal': [
      [run('begin'), run(`declare c cursor for ${MASKED}`), E({ portal: 'c' }), S()],
    ],
    'a portal fetched as a cursor': [
      [
        run('begin'),
        P(MASKED, 'a'),
        B({ portal: 'p', statement: 'a' }),
        run('fetch 1 from p'),
        S(),
      ],
    ],
    'a cursor WITH HOLD fetched later': [
      [Q(`declare c cursor with hold for ${MASKED}`)],
      [Q('fetch 1 from c')],
    ],
    'a fast-path function call': [
      [Buffer.from([0x46, 0, 0, 0, 14, 0, 0, 0x08, 0x0c, 0, 0, 0, 0, 0, 0])],
    ],
    'a name in capitals taken for another': [
      [P(CLEAR, 'S'), S()],
      [B({ statement: 's' }), E(), S()],
    ],
  };
  for (const [name, batches] of Object.entries(REFUSED))
    test(`${name} is refused and shows nothing`, async () => {
      const text = await hear(...batches);
      assert.match(text, /^error (?!XX000|58000)/m);
      assert.doesNotMatch(text, /^dataRow/m);
    });

  test('a search_path that a permitted function changed is seen before the next statement', async () => {
    await client.ask(Q("select app_tenant('tenant, public')"));
    const text = await hear([Q('select x from names where id = 1')]);
    assert.match(text, /dataRow null/);
  });

  test('a search_path that a permitted function changed is seen inside its pipeline', async () => {
    const text = await hear([
      run("select app_tenant('tenant, public')"),
      run('select x from names where id = 1'),
      S(),
    ]);
    assert.match(text, /dataRow null/);
  });

  test('a search_path that was set in the pipeline is seen by what follows', async () => {
    const text = await hear([
      run('set search_path = tenant, public'),
      run('select x from names where id = 1'),
      S(),
    ]);
    assert.match(text, /dataRow null/);
  });

  test('a search_path that ROLLBACK TO restored is seen by what follows', async () => {
    const text = await hear(
      [Q('set search_path = tenant, public')],
      [
        run('begin'),
        run('savepoint s'),
        run('set search_path = public'),
        run('rollback to s'),
        run('select x from names where id = 1'),
        S(),
      ],
    );
    assert.match(text, /dataRow null/);
  });

  test('a search_path and a statement in one string are not judged together', async () => {
    const heard = await client.ask(Q('set search_path = tenant; select x from names where id = 1'));
    assert.equal(codes(heard).length, 1);
    assert.doesNotMatch(told(heard), SECRET);
  });

  test('a search_path in the startup message is seen by the first statement', async () => {
    const other = await RawClient.connect(gateway, 'engineer', undefined, undefined, {
      options: '-c search_path=tenant,public',
    });
    const text = told(await other.ask(Q('select x from names where id = 1')));
    other.end();
    assert.match(text, /dataRow null/);
    assert.doesNotMatch(text, SECRET);
  });
});
