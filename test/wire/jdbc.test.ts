import assert from 'node:assert/strict';
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startBearerWorld, type BearerWorld } from '../fakes/bearer-world.ts';
import { eventually } from '../fakes/gateway.ts';
import { need, without } from '../fakes/need.ts';

const SOURCE = fileURLToPath(new URL('Jdbc.java', import.meta.url));
const skip = without('javac', 'jdbc');

type Said = {
  readonly ready?: string;
  readonly rows?: readonly (string | null)[];
  readonly count?: number;
  readonly prepared?: boolean;
  readonly notices?: readonly string[];
  readonly code?: string;
  readonly error?: string;
};

/** A Java program with one connection of the PostgreSQL driver; it answers each line with one. */
class Java {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #lines: AsyncIterator<string>;
  #err = '';

  constructor(url: string, properties: Readonly<Record<string, string>>) {
    // A source file runs as it is; the launcher compiles it in memory.
    const flags = ['-XX:TieredStopAtLevel=1', '-cp', need('jdbc') ?? '', SOURCE, url];
    const java = (need('javac') ?? '').replace(/javac$/, 'java');
    this.#child = spawn(java, [...flags, ...Object.entries(properties).flat()], {
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: 120_000,
      env: {},
    });
    this.#child.stderr.on('data', (chunk) => (this.#err += String(chunk)));
    this.#lines = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
  }

  async said(): Promise<Said> {
    const { value, done } = await this.#lines.next();
    assert.ok(!done, `java ended: ${this.#err}`);
    return JSON.parse(value) as Said;
  }

  send(...fields: readonly (string | number)[]): Promise<Said> {
    this.#child.stdin.write(`${fields.join('\t')}\n`);
    return this.said();
  }

  /** Wakes the thread that cancels. */
  poke(): void {
    this.#child.stdin.write('\n');
  }

  end(): void {
    this.#child.stdin.end();
    this.#child.kill();
  }
}

describe('the JDBC driver', { skip }, () => {
  let world: BearerWorld;
  let java: Java;
  const open = (properties: Readonly<Record<string, string>>): Java => {
    const { port } = world.gateway.running.postgres;
    return new Java(`jdbc:postgresql://localhost:${port}/shop`, {
      sslmode: 'verify-full',
      sslrootcert: world.ca,
      user: 'engineer@example.com',
      ...properties,
    });
  };
  before(async () => {
    world = await startBearerWorld();
    java = open({ password: await world.gateway.token('engineer') });
    const { ready, error } = await java.said();
    assert.ok(ready, error);
  });
  after(async () => {
    java?.end();
    await world?.stop();
  });

  test('connects with a token over TLS whose name it checks, and reads what rules mask', async () => {
    const said = await java.send('query', 'select name from customers where id = 1');
    assert.deepEqual(said, { rows: ['Name 1'], notices: [] });
    const masked = await java.send('query', 'select ssn from customers where id = 1');
    assert.deepEqual(masked.rows, [null]);
  });

  test('goes on with a statement that the server keeps, past its threshold', async () => {
    const sql = 'select total from orders where id = ?';
    const said = await java.send('prepared', sql, 12);
    assert.equal(said.prepared, true);
    const expected = Array.from({ length: 12 }, (_, i) => `${i + 1}.00`);
    assert.deepEqual(said.rows, expected);
    const masked = await java.send('prepared', 'select email from customers where id = ?', 12);
    assert.ok(
      masked.rows?.every((email) => !email?.startsWith('person')),
      String(masked.rows),
    );
  });

  test('fetches a result in pieces', async () => {
    const said = await java.send('fetch', 'select id from orders order by id', 100);
    assert.deepEqual(said, { count: 1_000 });
  });

  test('reads the catalog, as tools with it do', async () => {
    const { rows } = await java.send('columns', 'orders');
    assert.deepEqual(rows, ['id', 'customer_id', 'status', 'total', 'created_at']);
  });

  test('waits for an approval, and is told so', async () => {
    const waiting = java.send('query', "update orders set status = 'jdbc' where id = 42");
    await world.gateway.pending();
    assert.equal((await world.gateway.decide('approve')).status, 200);
    const said = await waiting;
    assert.equal(said.count, 1);
    assert.match(said.notices?.join('\n') ?? '', /countersign: held by rule/);
  });

  test('has a batch held and run as often as it was sent', async () => {
    let over = false;
    const waiting = java.send('batch', "update orders set status = 'batch' where id = ?", 3);
    const done = waiting.finally(() => (over = true));
    await eventually('every approval', async () => {
      const { rows } = await world.gateway.storeSql.query(
        "select id from countersign.request where state = 'pending'",
      );
      const approve = { decision: 'approve', reason: 'ok' };
      for (const { id } of rows)
        await world.gateway.api('approver', `/requests/${id}/decision`, approve);
      return over;
    });
    assert.deepEqual(await done, { count: 3 });
  });

  test('reads a refusal as an error, and works on', async () => {
    const said = await java.send('query', 'delete from orders');
    assert.equal(said.code, '42501');
    assert.match(said.error ?? '', /countersign: /);
    await java.send('autocommit', 'false');
    assert.equal((await java.send('query', 'drop table orders')).code, '42501');
    assert.equal((await java.send('query', 'select 1')).code, '25P02');
    await java.send('rollback');
    await java.send('autocommit', 'true');
    assert.deepEqual((await java.send('query', 'select 1')).rows, ['1']);
  });

  test('cancels what runs, and what waits', async () => {
    const running = java.send('cancel', 'select pg_sleep(60)');
    await eventually('the sleep', async () => {
      const { rows } = await world.gateway.targetSql.query(
        "select from pg_stat_activity where query like '%pg_sleep(60)%' and state = 'active' and pid <> pg_backend_pid()",
      );
      return rows.length > 0;
    });
    java.poke();
    assert.equal((await running).code, '57014');
    const held = java.send('cancel', "update orders set status = 'never' where id = 7");
    const { id } = await world.gateway.pending();
    java.poke();
    const said = await held;
    assert.equal(said.code, '57014');
    assert.match(said.error ?? '', /withdrawn by a cancel request/);
    assert.equal((await world.gateway.api('approver', `/requests/${id}`)).body.state, 'withdrawn');
    assert.deepEqual((await java.send('query', 'select 1')).rows, ['1']);
  });

  test('is refused with a wrong token, and trusts no other authority', async () => {
    const wrong = open({ password: 'cs_wrong' });
    assert.equal((await wrong.said()).code, '28P01');
    wrong.end();
    const strange = open({ password: 'x', sslrootcert: '/nonexistent/ca.pem' });
    assert.match((await strange.said()).error ?? '', /certificate|ca\.pem/i);
    strange.end();
  });
});
