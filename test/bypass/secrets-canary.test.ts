import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { stringify } from 'yaml';
import { main } from '#cli/main.ts';
import { ConfigError, readConfig } from '#src/config/read.ts';
import { eventually, outcome } from '../fakes/gateway.ts';
import { without } from '../fakes/need.ts';
import { patchOf, scimClient } from '../fakes/scim.ts';
import { Visitor } from '../fakes/visitor.ts';
import { startPlanted, type Mode } from './canary.ts';

const skip = without('redis-server');
for (const mode of ['http', 'socket'] as const)
  describe(`a secret in every place, with Slack over ${mode}`, { skip }, () => suite(mode));

function suite(mode: Mode): void {
  let kit: Awaited<ReturnType<typeof startPlanted>>;
  before(async () => {
    kit = await startPlanted(mode);
  });
  after(() => kit?.stop());

  const get = async (path: string, headers: Record<string, string> = {}): Promise<number> => {
    const answer = await fetch(kit.running.console + path, { headers, redirect: 'manual' });
    kit.saw(`GET ${path}`, [...answer.headers]);
    kit.saw(`GET ${path}`, await answer.text());
    return answer.status;
  };
  const scim = () =>
    scimClient(`${kit.running.console}/scim/acme/v2`, kit.planted.scim, { 'user-agent': 'test' });
  const tell = async (method: string, path: string, body?: unknown): Promise<any> => {
    const answer = await scim()(method, path, body);
    kit.saw(`SCIM ${method}`, [[...answer.headers], answer.body]);
    return answer;
  };
  const doctor = async (): Promise<void> => {
    for (const more of [[], ['--json']])
      await main(['doctor', '--config', kit.file, ...more], {
        paint: (_, text) => text,
        width: undefined,
        out: (line) => kit.saw('doctor', line),
        err: (line) => kit.saw('doctor', line),
        status: () => undefined,
        interactive: false,
      });
  };

  test('each is used, and everything is done that a day brings', async () => {
    const client = await kit.gateway.open('engineer');
    client.on('notice', (notice) => kit.saw('notices', notice));
    kit.saw('results', await client.query('select id, status from orders limit 2'));
    kit.saw('results', await outcome(client.query('select nothing from nowhere')));
    kit.saw(
      'results',
      await outcome(client.query(`select current_setting('countersign.x'), pg_read_file('x')`)),
    );
    const held = outcome(client.query("update orders set status = 'refunded' where id = 42"));
    const { id } = await kit.gateway.pending();
    await eventually('the card in Slack', () => kit.slack.messages.length > 0 || undefined);
    const token = await kit.gateway.token('approver', 'decide');
    const headers = { authorization: `Bearer ${token}` };
    for (const path of [
      'requests?state=pending',
      `requests/${id}`,
      'records?q=',
      'records?q=canary',
    ])
      await get(`/api/v1/${path}`, headers);
    kit.saw(
      'decision',
      await kit.gateway.api('approver', `/requests/${id}/decision`, {
        decision: 'approve',
        reason: 'r',
      }),
    );
    kit.saw('results', await held);

    // SCIM tells of the approver, who then signs in; of the other one it does not.
    const made = await tell('POST', '/Users', { userName: 'approver@example.com', active: true });
    assert.equal(made.status, 201);
    await tell('POST', '/Groups', { displayName: 'x', members: [{ value: made.body.id }] });
    await tell('GET', '/Users?filter=broken');
    await tell('GET', `/Users?filter=${encodeURIComponent('userName co "canary"')}`);
    await tell('PATCH', `/Users/${made.body.id}`, patchOf({ op: 'remove', path: 'id' }));
    await tell('POST', '/Users', '{"token":');
    const browser = new Visitor(kit.running.console);
    const signIn = async (visitor: Visitor, who: string) => {
      const begun = await visitor.get('/sign-in/acme?next=/');
      kit.saw('sign-in', begun);
      const back = await kit.idp.signIn(begun.location, `${who}@example.com`);
      const ended = await visitor.back(new URL(back));
      kit.saw('sign-in', ended);
      return ended.status;
    };
    assert.equal(await signIn(browser, 'approver'), 303);
    assert.ok(await browser.isIn());
    const stranger = new Visitor(kit.running.console);
    assert.equal(await signIn(stranger, 'approver2'), 403);
    assert.equal(await stranger.isIn(), false);
    const records = await kit.gateway.records();
    const pages = [
      '/',
      '/records',
      '/records?q=canary',
      '/rules',
      '/account',
      '/people',
      '/access',
      `/requests/${id}`,
      ...records.slice(-30).map((record) => `/records/${record.id}`),
    ];
    for (const page of pages) kit.saw(`page ${page.split('/')[1]}`, (await browser.get(page)).text);
    for (const path of [
      '/healthz',
      '/readyz',
      '/metrics',
      '/api/openapi.json',
      '/sign-in',
      '/nothing',
    ])
      await get(path);
    const security = await kit.gateway.token('security', 'decide');
    await get('/metrics', { authorization: `Bearer ${security}` });
    await doctor();
    assert.match(kit.seen.get('doctor') ?? '', /gateway role/);
    kit.saw('Slack', kit.slack.messages);
    kit.saw('Slack', kit.slack.ephemerals);
    kit.saw('configuration', (await readConfig(kit.file)).targets);
  });

  test('each is wrong all at once, and every part complains', async () => {
    const { storeSql } = kit.gateway;
    const from = kit.logged.length;
    await kit.targetPasswords('another', 'another');
    kit.saw('results', await outcome(kit.gateway.open('engineer')));
    await get('/readyz');
    await doctor();
    kit.idp.down = true;
    kit.saw('sign-in', await new Visitor(kit.running.console).get('/sign-in/acme?next=/'));
    kit.slack.tokens.bot = 'another';
    await kit.redis.protect('another');
    await kit.redis.command('client', 'kill', 'type', 'normal');
    await storeSql.query(`alter role canary password 'another'`);
    await storeSql.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where usename = 'canary'`,
    );
    await get('/readyz');
    await get('/api/v1/requests', {
      authorization: `Bearer ${await kit.gateway.token('approver', 'decide')}`,
    });
    const answer = await scim()('GET', '/Users').catch((error: unknown) => error);
    kit.saw('SCIM without a store', answer);
    kit.saw('results', await outcome(kit.gateway.open('engineer')));
    await eventually(
      'complaints',
      () => /password authentication failed/.test(kit.logged.slice(from).join()) || undefined,
    );
    await eventually(
      'complaints of the queue',
      () => /WRONGPASS|NOAUTH/.test(kit.logged.join()) || undefined,
    );
    await doctor();
    await storeSql.query(`alter role canary password '${kit.planted.store}'`);
    await kit.redis.protect(kit.planted.redis);
    await kit.targetPasswords(kit.planted.target, kit.planted.analyser);
  });

  test('a configuration that cannot be used is told without them', async () => {
    const config = {
      identity: { providers: { acme: { protocol: 'x', clientSecret: kit.planted.oidc } } },
    };
    const broken = join(kit.gateway.config.dataDir, 'broken.yaml');
    const url = `postgres://gateway:${kit.planted.target}@h/db`;
    const password = kit.planted.target;
    const shop = { protocol: 'postgres', url, password, analyser: { user: 'a', password } };
    const slackPart = { mode: 'http', botToken: 7, signingSecret: [kit.planted.slackSigning] };
    for (const contents of [
      { name: 'x', ...config, targets: { shop }, chat: { slack: slackPart } },
      { name: 'x', store: { postgres: `${kit.planted.store}://x` }, targets: {} },
      { name: 'x', queue: { backend: 'redis', url: kit.planted.redis }, targets: {} },
    ]) {
      await writeFile(broken, stringify(contents));
      const error: unknown = await readConfig(broken).catch((cause: unknown) => cause);
      assert.ok(error instanceof ConfigError);
      kit.saw('configuration', error);
      kit.saw('configuration', JSON.stringify(error.problems));
    }
  });

  test('and none of them is anywhere: log, answers, pages, metrics, doctor, records, store, queue', async () => {
    await kit.running.stop();
    kit.saw('log', kit.logged.join('\n'));
    const tables = await kit.gateway.storeSql.query<{ name: string }>(
      `select format('%I.%I', schemaname, tablename) as name from pg_tables
       where schemaname not in ('pg_catalog', 'information_schema')`,
    );
    for (const { name } of tables.rows)
      kit.saw(
        'store',
        (await kit.gateway.storeSql.query(`select t::text from ${name} t`)).rows
          .map(Object.values)
          .join('\n'),
      );
    for (const key of await kit.redis.command('keys', '*'))
      kit.saw('queue', String(await kit.redis.command('dump', key)));
    // The product was asked and answered, and what it says is in what was kept.
    assert.match(kit.seen.get('log') ?? '', /engineer@example.com|answered/);
    assert.match(kit.seen.get('store') ?? '', /refunded/);
    assert.match(kit.seen.get('page records') ?? '', /approver@example.com/);
    assert.ok((kit.seen.get('queue') ?? '').length > 100);

    for (const [place, secret] of Object.entries(kit.planted))
      for (const [as, text] of [
        ['', secret],
        [' in base64', Buffer.from(secret).toString('base64').slice(0, -4)],
        [' in hex', Buffer.from(secret).toString('hex')],
        [' in base64 behind a user', Buffer.from(`x:${secret}`).toString('base64').slice(4, -4)],
      ] as const)
        for (const [where, what] of kit.seen)
          assert.equal(what.includes(text), false, `the secret of ${place}${as} is in ${where}`);
    // The store's own log is the operator's; it must not be written there either.
    await kit.gateway.verify();
  });
}
