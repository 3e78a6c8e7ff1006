import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { serialize } from 'pg-protocol';
import { startGateway, type TestGateway } from '../fakes/gateway.ts';
import { B, C, codes, E, P, Q, RawClient, run, S, told } from '../fakes/raw-client.ts';
import { SECRET } from './support.ts';

const SCHEMA = `
  create schema tenant;
  create schema scratch;
  grant usage on schema tenant, scratch to gateway, analyser;
  grant create on schema scratch to gateway;
  create table tenant.brief as select id, ssn as note from customers;
  create table tenant.orders (id bigint, status text);
  create view tenant.names as select id, ssn as x from customers;
  grant all on all tables in schema tenant to gateway;
  create table brief as select id, name as note from customers;
  create view names as select id, name as x from customers;
`;
const RULES = `
  @id("test-scratch")
  permit (principal in Group::"engineering", action == Action::"define", resource in Schema::"shop/scratch");
`;
const CLEAR = 'select name as ssn from customers where id = 1';
const MASKED = 'select ssn from customers where id = 1';
const NAMED = 'select x from names where id = 1';

describe('what the target’s session really has', () => {
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
    let text = '';
    for (const batch of batches) text += `${told(await client.ask(...batch))}\n`;
    assert.doesNotMatch(text, SECRET);
    return text;
  }

  for (const path of ['TENANT,public', 'Tenant , public', '"tenant",PUBLIC'])
    test(`a search_path of ${path} in the startup message is read as the target reads it`, async () => {
      client.end();
      const options = `-c search_path=${path.replaceAll(' ', '\\ ')}`;
      client = await RawClient.connect(gateway, 'engineer', undefined, undefined, { options });
      const text = await hear([run(NAMED), S()], [Q(NAMED)]);
      assert.equal(text.match(/dataRow null/g)?.length, 2, text);
    });

  test('a search_path that cannot be read refuses everything that it decides', async () => {
    client.end();
    const options = '-c search_path=tenänt,public';
    client = await RawClient.connect(gateway, 'engineer', undefined, undefined, { options });
    assert.match(await hear([Q(NAMED)]), /^error 0A000/m);
  });

  const BEHIND: Readonly<Record<string, readonly (readonly Buffer[])[]>> = {
    'SET before another statement': [
      [P('set search_path = tenant, public', 's'), S()],
      [Q(`execute s; select x || '' from names where id = 1`)],
    ],
    'DEALLOCATE of a name that is given anew': [
      [P(CLEAR, 'a'), P('deallocate a', 'd'), S()],
      [Q('execute d')],
      [P(MASKED, 'a'), B({ statement: 'a' }), E(), S()],
    ],
    'CLOSE of a portal that is bound anew': [
      [Q('begin')],
      [P(CLEAR, 'a'), P(MASKED, 'b'), P('close p', 'd'), B({ portal: 'p', statement: 'a' }), S()],
      [Q('execute d')],
      [B({ portal: 'p', statement: 'b' }), E({ portal: 'p' }), S()],
    ],
    COMMIT: [[P('commit', 'c'), S()], [Q('begin')], [Q('execute c')]],
    COPY: [[P('copy tenant.brief to stdout', 'c'), S()], [Q('execute c')]],
  };
  for (const [name, batches] of Object.entries(BEHIND))
    test(`EXECUTE does not hide ${name}`, async () => {
      assert.match(await hear(...batches), /^error 0A000.*EXECUTE runs only queries/m);
    });

  const start = (text: string) => [
    run('begin'),
    ...(text.startsWith('fetch') ? [run(`declare c cursor for ${CLEAR}`)] : []),
    ...(text.includes('execute') ? [run(`prepare s as ${CLEAR}`)] : []),
    P(text, 'w'),
    B({ portal: 'p', statement: 'w' }),
  ];
  const LATE: Readonly<Record<string, readonly Buffer[]>> = {
    'EXECUTE of a statement prepared anew': [
      ...start('execute s'),
      run('deallocate s'),
      run(`prepare s as ${MASKED}`),
    ],
    'EXECUTE of a statement prepared anew over the wire': [
      ...start('execute s'),
      C('S', 's'),
      P(MASKED, 's'),
    ],
    'FETCH from a cursor declared anew': [
      ...start('fetch 1 from c'),
      run('close c'),
      run(`declare c cursor for ${MASKED}`),
    ],
    'COPY under another search_path': [
      ...start('copy brief to stdout'),
      run('set search_path = tenant'),
    ],
    'EXPLAIN under another search_path': [
      ...start('explain analyze execute s'),
      run('set search_path = tenant'),
    ],
  };
  for (const [name, batch] of Object.entries(LATE))
    test(`what was bound does not run as ${name}`, async () => {
      const text = await hear([...batch, E({ portal: 'p' }), S()]);
      assert.match(text, /^error 0A000.*bound-too-early/m);
      assert.doesNotMatch(text, /^(dataRow|copyData)/m);
    });

  test('the statements that come right after their Bind still run', async () => {
    const text = await hear([
      run('begin'),
      run(`prepare s as ${CLEAR}`),
      run('execute s'),
      run(`declare c cursor for ${CLEAR}`),
      run('fetch 1 from c'),
      run('show search_path'),
      run('commit'),
      S(),
    ]);
    assert.doesNotMatch(text, /^error/m);
    assert.equal(text.match(/dataRow Name 1$/gm)?.length, 2);
  });

  test('two names that the target takes for one are not two here', async () => {
    const [one = '', two = ''] = [Buffer.alloc(64, 'x'), Buffer.alloc(64, 'x')].map((name, i) => {
      name[63] = 0x31 + i;
      return name.toString();
    });
    const text = await hear(
      [P(CLEAR, one), S()],
      [C('S', two), S()],
      [P(MASKED, two), S()],
      [B({ statement: one }), E(), S()],
    );
    assert.equal(text.match(/^error 42622/gm)?.length, 4, text);
  });

  test('with pg_temp first on the search_path nothing is made that would hide a table', async () => {
    await hear([Q('set search_path = pg_temp, scratch')]);
    for (const text of [
      'create view names as select id, ssn as x from public.customers',
      'create table names (x text)',
      'create table names as select 1 as x',
      'select 1 as x into names',
    ])
      assert.match(await hear([Q(text)]), /^error 0A000.*temp-objects/m, text);
  });

  test('a binary value that cannot be read is not shown to approvers as null', async () => {
    const total = Buffer.from([0, 1, 0, 0, 0, 0, 0, 0, 0, 77]);
    client.send(
      P('update orders set total = $1 where id = 7'),
      serialize.bind({ values: [total], valueMapper: (value) => value }),
      E(),
      S(),
    );
    const { id } = await gateway.pending();
    const { body } = await gateway.api('approver', `/requests/${id}`);
    assert.doesNotMatch(JSON.stringify(body), /\$1 = null/);
    assert.match(JSON.stringify(body), /\$1 = '•••'/);
    await gateway.decide('deny');
    assert.deepEqual(codes(await client.until('readyForQuery')), ['42501']);
  });
});
