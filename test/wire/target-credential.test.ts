import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it, mock } from 'node:test';
import pg from 'pg';
import { analyserClient } from '#gateway/postgres/analyser/connection.ts';
import { openTarget } from '#gateway/postgres/target.ts';
import type { TargetConfig } from '#src/config/config.ts';
import { secretOf } from '#src/config/secrets.ts';
import { makeAuthority, writePem } from '../fakes/certificates.ts';
import { startPostgres, type TestPostgres } from '../fakes/postgres.ts';
import { serveCertificate } from './server-tls.ts';
import { targetConfig } from './support.ts';

/** Both ways in which the gateway comes to a target. */
const WAYS: Readonly<Record<string, (config: TargetConfig) => Promise<void>>> = {
  session: async (config) => (await openTarget(config, undefined, new Map())).destroy(),
  analyser: async (config) => (await analyserClient(config, config.database, {})).end(),
};

/** The command is not run again within a second of its last run. */
const later = () => {
  const at = performance.now() + 2_000;
  mock.method(performance, 'now', () => at);
};

describe('the credential of a target', () => {
  let dir: string;
  let server: TestPostgres;
  let admin: pg.Client;
  let ca: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'countersign-credential-'));
    server = await startPostgres();
    const authority = await makeAuthority();
    ({ ca } = await writePem(dir, { ca: authority.cert }));
    await serveCertificate(server, await authority.issue());
    admin = new pg.Client(server.url);
    await admin.connect();
    const { rows } = await admin.query<{ hba_file: string }>('show hba_file');
    const file = rows[0]?.hba_file ?? '';
    // As a cloud's database does for tokens.
    const token = 'host all token all password\n';
    await writeFile(file, token + (await readFile(file, 'utf8')));
    await admin.query('select pg_reload_conf()');
    await admin.query('create role gateway login; create role token login');
  });
  after(async () => {
    await admin.end();
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  });
  afterEach(() => mock.restoreAll());

  async function rotate(secret: string, role = 'gateway'): Promise<void> {
    await writeFile(join(dir, 'secret'), secret);
    await admin.query(`alter role ${role} password '${secret}'`);
  }
  async function configOf(more: Partial<TargetConfig> = {}) {
    await writeFile(join(dir, 'runs'), '');
    const command = '${command:printf x >> runs; cat secret}';
    const password = secretOf(command, { base: dir, env: {} }, 3_600_000);
    const user = more.user ?? 'gateway';
    return {
      ...targetConfig(server.port, ''),
      password,
      analyser: { user, password },
      ...more,
    };
  }
  const runs = async () => (await readFile(join(dir, 'runs'), 'utf8')).length;
  for (const [way, connect] of Object.entries(WAYS)) {
    it(`is kept while it is good, and fetched anew once when it was changed: ${way}`, async () => {
      await rotate('first secret');
      const config = await configOf();
      await connect(config);
      await connect(config);
      assert.equal(await runs(), 1);
      await rotate('second secret');
      later();
      await connect(config);
      await connect(config);
      assert.equal(await runs(), 2);
    });

    it(`that is wrong is fetched anew once, and the refusal does not show it: ${way}`, async () => {
      await rotate('third secret');
      const config = await configOf();
      await connect(config);
      await admin.query(`alter role gateway password 'another'`);
      later();
      await assert.rejects(connect(config), (error: Error) => {
        const whole = `${error.message} ${error.stack} ${JSON.stringify(error)}`;
        return !whole.includes('third secret') && /refused|authentication failed/.test(whole);
      });
      assert.equal(await runs(), 2);
    });

    it(`goes in clear text only inside verified TLS, and only where that was said: ${way}`, async () => {
      await rotate('a cloud’s token', 'token');
      const verified = { mode: 'verify-full', ca } as const;
      const inClear = await configOf({ user: 'token', tls: { ...verified, clearPassword: true } });
      await connect(inClear);
      await rotate('the next token', 'token');
      later();
      await connect(inClear);
      mock.restoreAll();
      for (const tls of [verified, { mode: 'disable', clearPassword: true } as const])
        await assert.rejects(
          connect(await configOf({ user: 'token', tls })),
          /asks for a clear-text password/,
        );
    });
  }
});
