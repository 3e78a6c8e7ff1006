import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { parse } from 'yaml';
import { checkChatStore, checkSlackChannels, checkTeams } from '#cli/doctor/chat.ts';
import { SCOPES } from '#cli/doctor/slack.ts';
import type { ChatConfig } from '#src/config/config.ts';
import { startStore } from '../fakes/approval.ts';

const slack = {
  mode: 'http',
  botToken: 'xoxb-not-real',
  signingSecret: 's',
  teams: ['T1'],
  listen: { host: '127.0.0.1', port: 1 },
  matchEmail: [],
} as const;

type ChannelIds = ChatConfig['channels'] extends ReadonlyMap<string, infer T> ? T : never;

let store: Awaited<ReturnType<typeof startStore>>;
before(async () => {
  store = await startStore();
});
after(() => store.stop());

test('the doctor asks for the scopes of the manifest', async () => {
  const manifest = parse(
    await readFile(new URL('../../manifest.yml', import.meta.url), 'utf8'),
  ) as { oauth_config: { scopes: { bot: string[] } } };
  assert.deepEqual(manifest.oauth_config.scopes.bot, SCOPES);
});

test('the doctor says of each Slack channel what is wrong with it', async () => {
  const about: Record<string, object> = {
    C1: { name: 'good', is_private: true, is_member: true },
    C2: { name: 'open', is_member: true },
    C3: { name: 'outside', is_private: true },
    C4: { name: 'old', is_member: true, is_archived: true },
    C5: { name: 'shared', is_member: true, is_ext_shared: true },
  };
  const fetcher = (url: unknown) => {
    const id = new URL(String(url)).searchParams.get('channel') ?? '';
    const channel = about[id];
    return Promise.resolve(
      Response.json(channel ? { ok: true, channel } : { ok: false, error: 'channel_not_found' }),
    );
  };
  const channels = new Map<string, ChannelIds>([
    ...[1, 2, 3, 4, 5, 6].map((n): [string, ChannelIds] => [`c${n}`, { slack: `C${n}` }]),
    ['must', { slack: 'C2', private: true }],
    ['elsewhere', { teams: '19:x@thread.tacv2' }],
  ]);
  const checks = await checkSlackChannels(slack, channels, fetcher);
  assert.deepEqual(
    checks.map(({ state, found }) => `${state} ${found}`),
    [
      'ok #good, private, and the bot is in it',
      'ok #open, public: everybody in the workspace reads its cards; the bot is in it',
      'fail the bot is not in #outside',
      'fail #old is archived',
      'fail #shared is shared with another organisation',
      'fail conversations.info says channel_not_found',
      'fail #open is public',
    ],
  );
  const [first] = await checkSlackChannels(slack, channels, () =>
    Promise.resolve(Response.json({ ok: false, error: 'missing_scope' })),
  );
  assert.match(first?.next ?? '', /groups:read/);
});

test('the doctor asks Microsoft whether the app of Teams is known', async () => {
  const teams = {
    appId: 'app',
    appPassword: 'secret',
    appType: 'SingleTenant',
    tenants: ['tenant'],
    listen: { host: '127.0.0.1', port: 1 },
    serviceUrls: [],
  } as const;
  const asked: string[] = [];
  const answering = (status: number, body: object) => async (url: unknown, init?: RequestInit) => {
    asked.push(`${String(url)} ${await new Response(init?.body).text()}`);
    return Response.json(body, { status });
  };
  const [good] = await checkTeams(teams, answering(200, { access_token: 'x' }));
  assert.equal(good?.state, 'ok');
  assert.match(asked[0] ?? '', /\/tenant\/oauth2\/v2\.0\/token .*client_secret=secret/);
  const [bad] = await checkTeams(teams, answering(401, { error: 'invalid_client' }));
  assert.match(`${bad?.state} ${bad?.found}`, /fail .*invalid_client/);
  assert.doesNotMatch(JSON.stringify([good, bad]), /secret"/);
});

test('the doctor counts who is linked, and says when nobody is', async () => {
  const channels = new Map([['ops', { teams: '19:x@thread.tacv2' }]]);
  const teams = {
    localTest: true,
    tenants: [],
    listen: { host: '127.0.0.1', port: 1 },
    serviceUrls: [],
  } as const;
  const states = async (matchEmail: readonly string[]) =>
    (await checkChatStore(store.db, { channels, slack: { ...slack, matchEmail }, teams })).map(
      ({ what, state, found }) => `${what}: ${state} ${found}`,
    );
  assert.deepEqual(await states([]), [
    'people in Slack: warn 0 linked, with 0 accounts',
    'people in Teams: warn 0 linked, with 0 accounts',
    'Teams channel ops: warn the bot was never heard of there',
  ]);
  await store.db.pool.query(
    `insert into countersign.chat_account (platform, workspace, account, person, how, name, workspace_name)
     values ('slack', 'T1', 'U1', 'a@x', 'sign-in', '', ''), ('slack', 'T1', 'U2', 'a@x', 'sign-in', '', '')`,
  );
  await store.db.pool.query(
    `insert into countersign.teams_place (tenant, conversation, service_url, bot) values ('t', '19:x@thread.tacv2', '', '')`,
  );
  assert.deepEqual(await states(['T1']), [
    'people in Slack: ok 1 linked, with 2 accounts',
    'people in Teams: warn 0 linked, with 0 accounts',
    'Teams channel ops: ok the bot was heard of there',
  ]);
});
