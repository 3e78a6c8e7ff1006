import { type Bot, startBot } from '#bot/main.ts';
import type { Config, SlackConfig } from '#src/config/config.ts';
import type { Requirement } from '#src/policy/verdict.ts';
import type { Card } from '#src/approval/request.ts';
import { STATEMENT, asked, binding, startRequests, startStore } from './approval.ts';
import { APP, slackActor } from './slack-actor.ts';
import { TEAM, startFakeSlack } from './slack.ts';

export const CHANNEL = 'C0DBAPPROVALS';
export const PUBLIC_URL = 'https://cs.example.com';
const TOKEN = 'xoxb-test';
const SECRET = 'signing-secret-of-the-test';
export const SCOPES = ['chat:write', 'users:read', 'users:read.email'];

/** Requests on a real store, the real bot with Bolt, and a fake Slack with its people. */
export async function startSlackKit() {
  const store = await startStore();
  const approval = await startRequests(store.db);
  const slack = await startFakeSlack({ scopes: SCOPES, token: TOKEN });
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
  const chat: SlackConfig = {
    mode: 'http',
    botToken: TOKEN,
    signingSecret: SECRET,
    appId: APP,
    teams: [TEAM],
    matchEmail: true,
    listen: { host: '127.0.0.1', port: 0 },
    apiUrl: slack.url,
  };
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
    actor: slackActor(slack, address(), SECRET),
    /** Opens a request and waits for its card. */
    async hold(requirement: Partial<Requirement> = {}, card: Partial<Card> = {}) {
      const request = await requests.open(
        asked({ channels: ['db-approvals'], ...requirement }, card),
      );
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
      kit.actor = slackActor(slack, address(), SECRET);
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
