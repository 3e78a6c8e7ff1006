import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { NO_PROVIDERS, type IdentityConfig } from '#src/config/identity.ts';
import { startBeside } from '../fakes/beside.ts';
import { signedIn } from '../fakes/browser.ts';
import { eventually, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { need, without } from '../fakes/need.ts';

type Psql = {
  readonly child: ChildProcess;
  readonly said: () => { readonly out: string; readonly err: string };
  readonly ended: Promise<number | null>;
};

/** A real psql, which is asked to run these; it is read while it runs. */
function psql(port: number, password: string, ...commands: readonly string[]): Psql {
  const where = `host=127.0.0.1 port=${port} user=engineer@example.com dbname=shop`;
  const args = ['-XAtq', ...commands.flatMap((sql) => ['-c', sql]), where];
  const env = { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', PGPASSWORD: password };
  const child = spawn(need('psql') ?? '', args, { env, timeout: 60_000 });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => (out += String(chunk)));
  child.stderr.on('data', (chunk) => (err += String(chunk)));
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return { child, said: () => ({ out, err }), ended };
}

const linkOf = (run: Psql): Promise<string> =>
  eventually('the link', () => /\/connect\/[A-Z-]{14}/u.exec(run.said().err)?.[0], 30);

const started = (confirm: IdentityConfig['confirm']): Promise<TestGateway> =>
  startGateway({ config: { identity: { ...NO_PROVIDERS, confirm } } });

describe('a psql that its person confirms in the browser', { skip: without('psql') }, () => {
  describe('with any password', () => {
    let gateway: TestGateway;
    let beside: Awaited<ReturnType<typeof startBeside>>;
    before(async () => {
      gateway = await started('unknown-password');
      beside = await startBeside(gateway, 'beside');
    });
    after(async () => {
      await beside?.running.stop();
      await gateway?.stop();
    });

    test('waits at one gateway, is confirmed at another, and then runs everything', async () => {
      const kind = { password: false };
      const { tokens } = gateway.running;
      const scopes = ['connect', 'read'] as const;
      const { token } = await tokens.issue('engineer@example.com', scopes, 'x', 600_000, kind);
      const browser = await signedIn(beside.running.console, token);
      const sql = 'select status from orders where id = 42';
      const run = psql(gateway.running.postgres.port, 'whatever', sql, 'select 2');
      const link = await linkOf(run);
      assert.match(run.said().err, /WARNING: {2}countersign: confirm this connection/);
      const page = await browser.get(link);
      const match = /Match code ([A-Z]{4})/u.exec(run.said().err)?.[1] ?? 'none';
      assert.ok(page.text.includes(match));
      assert.equal(run.said().out, '');
      assert.equal((await browser.post(link, { decision: 'confirm' })).status, 200);
      assert.equal(await run.ended, 0, run.said().err);
      assert.equal(run.said().out, 'paid\n2\n');
    });

    test('is told when it was denied, and when the gateway stops', async () => {
      const kind = { password: false };
      const { tokens } = beside.running;
      const { token } = await tokens.issue(
        'engineer@example.com',
        ['read', 'connect'],
        'x',
        600_000,
        kind,
      );
      const browser = await signedIn(gateway.running.console, token);
      const run = psql(beside.running.postgres.port, 'whatever', 'select 1');
      const link = await linkOf(run);
      await browser.get(link);
      await browser.post(link, { decision: 'deny' });
      assert.equal(await run.ended, 2);
      assert.match(
        run.said().err,
        /FATAL: {2}countersign: this connection was not confirmed: it was denied/,
      );
      const stopped = psql(gateway.running.postgres.port, 'whatever', 'select 1');
      await linkOf(stopped);
      await gateway.restart();
      assert.equal(await stopped.ended, 2);
      assert.match(stopped.said().err, /the gateway is stopping|closed the connection/);
    });
  });

  describe('always', () => {
    let gateway: TestGateway;
    before(async () => {
      gateway = await started('always');
    });
    after(() => gateway?.stop());

    test('shows its token, and waits all the same; a token that ends meanwhile lets nobody in', async () => {
      const decider = await signedIn(
        gateway.running.console,
        await gateway.token('engineer', 'decide'),
      );
      const { port } = gateway.running.postgres;
      const wrong = psql(port, 'guess', 'select 1');
      assert.equal(await wrong.ended, 2);
      assert.match(wrong.said().err, /password authentication failed/);
      const run = psql(port, await gateway.token('engineer'), 'select 1');
      const link = await linkOf(run);
      await decider.get(link);
      await decider.post(link, { decision: 'confirm' });
      assert.equal(await run.ended, 0, run.said().err);
      assert.equal(run.said().out, '1\n');
      const { tokens } = gateway.running;
      const own = await tokens.issue('engineer@example.com', ['connect'], 'x', 600_000);
      const late = psql(port, own.token, 'select 1');
      const other = await linkOf(late);
      await tokens.revoke(own.info.id);
      await decider.get(other);
      await decider.post(other, { decision: 'confirm' });
      assert.equal(await late.ended, 2);
      assert.match(late.said().err, /your token or your access has ended meanwhile/);
    });
  });
});
