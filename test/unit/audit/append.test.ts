import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { Prepared } from '#src/audit/append.ts';
import { bigintArray, textArray } from '#src/audit/encode.ts';
import { startPostgres, type TestPostgres } from '../../fakes/postgres.ts';

const INSERT = {
  name: 'one',
  text: 'insert into things select $1, u.* from unnest($2::bigint[], $3::text[]) u',
};
const values = (writer: string, ...numbers: readonly number[]) => [
  writer,
  bigintArray(numbers),
  textArray(numbers.map((one) => `é${one}`)),
];

describe('statements that append', () => {
  let postgres: TestPostgres;
  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: postgres.url });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  };
  let client: pg.Client;
  let prepared: Prepared;
  const stored = async (): Promise<readonly number[]> => {
    const { rows } = await client.query<{ n: string }>('select n from things order by n');
    return rows.map(({ n }) => Number(n));
  };

  before(async () => {
    postgres = await startPostgres();
    client = await connect();
    await client.query(
      `create table things (writer text, n bigint unique deferrable initially deferred, said text check (said <> 'é13'))`,
    );
    prepared = new Prepared(client);
  });
  after(async () => {
    await client?.end();
    await postgres?.stop();
  });

  it('fail the first time without spoiling the next, and store what they were given', async () => {
    await assert.rejects(prepared.run({ ...INSERT, values: values('a', 1, 13) }), {
      code: '23514',
    });
    await prepared.run({ ...INSERT, values: values('a', 1, 2) });
    await prepared.run({ ...INSERT, values: values('a', 3) });
    const { rows } = await client.query('select writer, said from things where n = 3');
    assert.deepEqual(rows, [{ writer: 'a', said: 'é3' }]);
    assert.deepEqual(await stored(), [1, 2, 3]);
  });

  it('are not done when only the commit fails', async () => {
    await assert.rejects(prepared.run({ ...INSERT, values: values('a', 4, 3) }), { code: '23505' });
    assert.deepEqual(await stored(), [1, 2, 3]);
  });

  it('take part in a transaction', async () => {
    await client.query('begin');
    await prepared.run({ ...INSERT, values: values('a', 5) });
    await client.query('rollback');
    assert.deepEqual(await stored(), [1, 2, 3]);
  });

  it('refuse a value that they cannot send', async () => {
    await assert.rejects(prepared.run({ ...INSERT, values: [new Date(), 1, 2] }), TypeError);
    assert.deepEqual(await stored(), [1, 2, 3]);
  });

  it('reject when the connection is lost', async () => {
    const other = await connect();
    const lost = new Prepared(other).run({
      name: 'slow',
      text: 'insert into things select $1, 7 from pg_sleep(60)',
      values: ['a'],
    });
    other.connection.stream.destroy();
    await assert.rejects(lost);
    assert.deepEqual(await stored(), [1, 2, 3]);
  });
});
