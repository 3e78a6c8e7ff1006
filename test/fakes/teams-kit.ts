import { type Bot, startBot } from '#bot/main.ts';
import { openFramework } from '#bot/teams/framework.ts';
import type { Card } from '#src/approval/request.ts';
import type { ChatConfig, TeamsConfig } from '#src/config/config.ts';
import type { Requirement } from '#src/policy/verdict.ts';
import { asked, binding, STATEMENT, startRequests, startStore } from './approval.ts';
import { actorOf, CHANNEL, PUBLIC_URL, slackConfig, startSlack } from './slack-kit.ts';
import {
  APP_ID,
  type FakeCard,
  type FakeMember,
  type FakeTeams,
  OTHER_TENANT,
  startFakeTeams,
  TENANT,
} from './teams.ts';
import type { Database } from '#src/store/database.ts';
import type { FakeSlack } from './slack.ts';
import { CHANNEL_T, teamsActor } from './teams-actor.ts';

const member = (name: string, at: number, more: Partial<FakeMember> = {}): FakeMember => ({
  id: `29:${name}`,
  aadObjectId: `33333333-3333-4333-8333-33333333333${at}`,
  name,
  tenantId: TENANT,
  userRole: 'user',
  userPrincipalName: `${name}@example.com`,
  ...more,
});

/** Everybody in Teams; who is linked to a person of the directory is in `LINKED`. */
export const TEAM = {
  engineer: member('engineer', 0),
  approver: member('approver', 1),
  approver2: member('approver2', 2),
  stranger: member('stranger', 3),
  /** Calls itself as an approver is called, and is linked to nobody. */
  impostor: member('impostor', 4, { name: 'approver', userPrincipalName: 'approver@example.com' }),
  guest: member('guest', 5, {
    userRole: 'guest',
    userPrincipalName: 'approver_example.com#EXT#@elsewhere.example',
  }),
  connected: member('connected', 6, { tenantId: OTHER_TENANT }),
} as const;
const LINKED = ['engineer', 'approver', 'approver2', 'stranger', 'guest', 'connected'] as const;

export function teamsConfig(teams: FakeTeams): TeamsConfig {
  return {
    appId: APP_ID,
    appPassword: 'not used: the fake gives a token',
    appType: 'SingleTenant',
    tenants: [TENANT],
    listen: { host: '127.0.0.1', port: 0 },
    serviceUrls: [teams.url],
  };
}

async function linkEverybody({ pool }: Database): Promise<void> {
  for (const name of LINKED)
    await pool.query(
      `insert into countersign.chat_account (platform, workspace, account, person, how, name, workspace_name)
         values ('teams', $1, $2, $3, 'sign-in', $4, '')`,
      [
        TENANT,
        TEAM[name].aadObjectId,
        name === 'guest' || name === 'connected' ? 'approver@example.com' : `${name}@example.com`,
        name,
      ],
    );
}

function chatConfig(teams: TeamsConfig, channel: string, slack?: FakeSlack): ChatConfig {
  return {
    channels: new Map([['db-approvals', { teams: channel, ...(slack && { slack: CHANNEL }) }]]),
    teams,
    ...(slack && { slack: slackConfig('http', slack) }),
  };
}

/** Requests on a real store, the real bot with the Bot Framework SDK, and a fake Teams; with `slack` a fake Slack too. */
export async function startTeamsKit(
  options: {
    readonly slack?: true;
    /** A stand-in for Teams that signs nothing, and the conversation that gets the cards. */
    readonly localTest?: { readonly config: TeamsConfig; readonly channel: string };
  } = {},
) {
  const store = await startStore();
  const approval = await startRequests(store.db);
  const teams = await startFakeTeams();
  const slack = options.slack && (await startSlack());
  slack?.users.set('UAPP', { email: 'approver@example.com' });
  for (const one of Object.values(TEAM)) teams.members.set(one.id, one);
  teams.conversations.add(CHANNEL_T);
  await linkEverybody(store.db);
  const log: { fields: object; text: string }[] = [];
  const keep = (fields: object, text: string) => void log.push({ fields, text });
  const config = options.localTest?.config ?? teamsConfig(teams);
  const channel = options.localTest?.channel ?? CHANNEL_T;
  const chat = chatConfig(config, channel, slack);
  const framework = await openFramework(config, options.localTest ? undefined : teams.elsewhere);
  const start = () =>
    startBot({
      config: { publicUrl: PUBLIC_URL, targets: new Map(), chat },
      requests: approval.requests,
      directory: approval.directory,
      audit: approval.audit,
      db: store.db,
      queue: approval.queue,
      log: { info: keep, warn: keep, error: keep },
      teams: framework,
    });
  let bot: Bot = await start();
  const address = () => `http://127.0.0.1:${bot.teamsAddress?.port}`;
  const { requests } = approval;
  const actor = teamsActor(teams, address);
  const kit = {
    ...approval,
    store,
    teams,
    slack,
    log,
    actor,
    slackActor: slack && actorOf('http', slack, () => `http://127.0.0.1:${bot.address?.port}`),
    address,
    problem: () => bot.problem(),
    /** Opens a request and waits for its card in Teams. */
    async hold(requirement: Partial<Requirement> = {}, card: Partial<Card> = {}) {
      const request = await requests.open(
        asked({ channels: ['db-approvals'], ...requirement }, card),
      );
      const id = await kit.stored(request.id);
      const message = await teams.until(() => teams.messages.find((one) => one.id === id));
      return { request, message };
    },
    /** The id of the card, once the bot has stored it, at least in this version. */
    async stored(request: string, version = 1): Promise<string> {
      for (const signal = AbortSignal.timeout(8_000); ; signal.throwIfAborted()) {
        const { rows } = await store.db.pool.query<{ ts: string }>(
          "select ts from countersign.post where platform = 'teams' and request = $1 and ts is not null and version >= $2",
          [request, version],
        );
        if (rows[0]) return rows[0].ts;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    /** The chat with the bot, as somebody who has added the app has it. */
    chat(who: FakeMember): string {
      const id = `a:${who.aadObjectId}`;
      teams.installed.add(who.aadObjectId);
      teams.conversations.add(id);
      return id;
    },
    /** What the bot said to this person alone. */
    told: (who: FakeMember): readonly FakeCard[] =>
      teams.messages.filter((one) => one.conversation === `a:${who.aadObjectId}`),
    async run(request: string) {
      await requests.claim(request, binding(STATEMENT, 'approved'));
      await requests.finish(request, { ok: true, rows: 1, durationMs: 12 });
    },
    async restartBot(between: () => Promise<void> | void = () => {}) {
      await bot.close();
      await between();
      bot = await start();
    },
    async stop() {
      await bot.close();
      await requests.close();
      await teams.close();
      await slack?.close();
      await store.stop();
    },
  };
  return kit;
}

export type TeamsKit = Awaited<ReturnType<typeof startTeamsKit>>;
