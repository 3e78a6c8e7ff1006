import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { type Bot, startBot } from '#bot/main.ts';
import type { Config, SlackConfig } from '#src/config/config.ts';
import type { Requirement } from '#src/policy/verdict.ts';
import type { Card } from '#src/approval/request.ts';
import { STATEMENT, asked, binding, digestOf, startRequests, startStore } from './approval.ts';
import { APP, httpDoor, slackActor, socketDoor } from './slack-actor.ts';
import { type FakeSlack, TEAM, startFakeSlack } from './slack.ts';

export const CHANNEL = 'C0DBAPPROVALS';
export const PUBLIC_URL = 'https://cs.example.com';
const TOKEN = 'xoxb-test';
const APP_TOKEN = 'xapp-test';
const SECRET = 'signing-secret-of-the-test';
export const MODES = ['http', 'socket'] as const;
export type Mode = (typeof MODES)[number];

/** The scopes that every installation has; the optional ones are left out. */
const manifest = parse(await readFile(new URL('../../manifest.yml', import.meta.url), 'utf8')) as {
  oauth_config: { scopes: { bot: string[] } };
};
const SCOPES = manifest.oauth_config.scopes.bot;

/** A fake Slack that takes the tokens of `slackConfig`. */
export const startSlack = () =>
  startFakeSlack({ scopes: SCOPES, token: TOKEN, appToken: APP_TOKEN });

/** `port` is where the bot takes calls over HTTP. */
export function slackConfig(mode: Mode, slack: FakeSlack, port = 0): SlackConfig {
  const app = {
    botToken: TOKEN,
    appId: APP,
    teams: [TEAM],
    matchEmail: [TEAM],
    apiUrl: slack.url,
  };
  if (mode === 'socket') return { mode, ...app, appToken: APP_TOKEN };
  return { mode, ...app, signingSecret: SECRET, listen: { host: '127.0.0.1', port } };
}

/** What people do, as it reaches a bot with that configuration. */
export function actorOf(mode: Mode, slack: FakeSlack, url: () => string) {
  return slackActor(slack, mode === 'http' ? httpDoor(url, SECRET) : socketDoor(slack));
}

/** Requests on a real store, the real bot with Bolt, and a fake Slack with its people. */
export async function startSlackKit(mode: Mode = 'http') {
  const store = await startStore();
  const approval = await startRequests(store.db);
  const slack = await startSlack();
  slack.users.set('UENG', { email: 'engineer@example.com' });
  slack.users.set('UAPP', { email: 'Approver@Example.com' });
  slack.users.set('UAPP2', { email: 'approver2@example.com' });
  slack.users.set('USTR', { email: 'stranger@example.com' });
  slack.users.set('UNOBODY', { email: 'nobody@elsewhere.example' });
  slack.users.set('UBOT', { email: 'approver@example.com', is_bot: true });
  slack.users.set('UGUEST', { email: 'approver@example.com', is_restricted: true });
  slack.users.set('UGUEST1', { email: 'approver@example.com', is_ultra_restricted: true });
  slack.users.set('UGONE', { email: 'approver@example.com', deleted: true });
  slack.users.set('UCONNECT', { email: 'approver@example.com', is_stranger: true });
  slack.users.set('UOTHER', { email: 'approver@example.com', team: 'T9999999' });
  slack.users.set('UMUTE', {});
  const chat = slackConfig(mode, slack);
  const log: { fields: object; text: string }[] = [];
  const keep = (fields: object, text: string) => void log.push({ fields, text });
  const config: Pick<Config, 'chat' | 'publicUrl' | 'targets'> = {
    publicUrl: PUBLIC_URL,
    targets: new Map(),
    chat: { channels: new Map([['db-approvals', { slack: CHANNEL }]]), slack: chat },
  };
  const start = () =>
    startBot({
      config,
      requests: approval.requests,
      directory: approval.directory,
      audit: approval.audit,
      db: store.db,
      queue: approval.queue,
      log: { info: keep, warn: keep, error: keep },
    });
  let bot: Bot = await start();
  const address = () => `http://127.0.0.1:${bot.address?.port}`;
  const { requests } = approval;
  const kit = {
    ...approval,
    store,
    slack,
    log,
    address,
    /** What operators are told, if anything. */
    problem: () => bot.problem(),
    actor: actorOf(mode, slack, address),
    /** Opens a request and waits for its card. */
    async hold(requirement: Partial<Requirement> = {}, card: Partial<Card> = {}) {
      const request = await requests.open({
        ...asked({ channels: ['db-approvals'], ...requirement }, card),
        ...(card.shape && { shape: digestOf('the shape') }),
      });
      const message = await slack.until(() =>
        slack.messages.find((one) => JSON.stringify(one.metadata ?? '').includes(request.id)),
      );
      await kit.stored(request.id);
      return { request, message };
    },
    /** Resolves once the bot has stored which message is the card, at least in this version. */
    async stored(request: string, version = 1) {
      for (const signal = AbortSignal.timeout(8_000); ; signal.throwIfAborted()) {
        const { rowCount } = await store.db.pool.query(
          'select from countersign.post where request = $1 and ts is not null and version >= $2',
          [request, version],
        );
        if (rowCount === 1) return;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    /** What the gate does after an approval. */
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
      await slack.close();
      await store.stop();
    },
  };
  return kit;
}

export type SlackKit = Awaited<ReturnType<typeof startSlackKit>>;
