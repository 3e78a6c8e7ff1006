import { eventually, outcome, startGateway, type TestGateway } from './gateway.ts';
import { freePort } from './postgres.ts';
import { actorOf, slackConfig, startSlack } from './slack-kit.ts';
import type { Block, FakeSlack } from './slack.ts';

export const CHANNEL = 'C0123456';
const WHO = ['engineer', 'approver', 'approver2', 'oncall', 'security', 'stranger'];

/** What somebody alone got to see: an answer to a command, or to a click. */
export type Shown = { readonly text: string; readonly blocks: Block[] };

export type ReviewingWorld = Awaited<ReturnType<typeof startReviewingWorld>>;

/** The whole product with a tree over its records and a fake Slack whose users are its people; `U` and the name is who. */
export async function startReviewingWorld() {
  const slack: FakeSlack = await startSlack();
  for (const who of WHO) slack.users.set(userOf(who), { email: `${who}@example.com` });
  const port = await freePort();
  const chat = slackConfig('http', slack, port);
  const gateway: TestGateway = await startGateway({
    config: {
      chat: { channels: new Map([['db-approvals', { slack: CHANNEL }]]), slack: chat },
      audit: {
        witnesses: [],
        quorum: 0,
        anchors: [],
        export: [],
        heartbeatMs: 60_000,
        serve: true,
      },
    },
  });
  const actor = actorOf('http', slack, () => `http://127.0.0.1:${port}`);
  const world = {
    gateway,
    slack,
    actor,
    /** Runs statements as somebody; what is held waits, and is answered by `decide`. */
    async ran(who: string, ...sql: readonly string[]): Promise<void> {
      const client = await gateway.open(who);
      // oxlint-disable-next-line no-await-in-loop -- one session
      for (const one of sql) await outcome(client.query(one));
    },
    /** Waits until what was done so far is found. */
    async searched(): Promise<void> {
      const { rows } = await gateway.storeSql.query(
        'select count(*)::int as n from countersign.record',
      );
      await eventually('the search', async () => {
        const { rows: cursor } = await gateway.storeSql.query(
          'select index::int as n from countersign.search_cursor',
        );
        return cursor[0].n >= rows[0].n || undefined;
      });
    },
    /** `/audit text`, and what only who wrote it sees. */
    async audit(who: string, text: string, channel = CHANNEL): Promise<Shown> {
      const before = slack.ephemerals.length;
      const answer = await actor.command(userOf(who), '/audit', text, { channel });
      if (answer.text !== '') return JSON.parse(answer.text) as Shown;
      return await slack.until(() => slack.ephemerals[before]);
    },
    /** A click on a button of what somebody was shown; `value` in place of its own. */
    async click(who: string, action: string, shown: Shown, value?: string): Promise<Shown> {
      const before = slack.ephemerals.length;
      const message = { ts: slack.ts(), channel: CHANNEL, blocks: shown.blocks };
      await actor.click(userOf(who), action, message, value === undefined ? {} : { value });
      return await slack.until(() => slack.ephemerals[before]);
    },
    async stop(): Promise<void> {
      await gateway.stop();
      await slack.close();
    },
  };
  return world;
}

export const userOf = (who: string): string => `U${who.toUpperCase()}`;

/** All of a message as JSON, quotes as they are. */
export const wordsOf = (shown: { readonly text: string; readonly blocks?: unknown }): string =>
  `${shown.text} ${JSON.stringify(shown.blocks ?? [])}`;

/** Ids of the records that links in it lead to. */
export const recordsIn = (shown: { readonly text: string; readonly blocks?: unknown }): string[] =>
  Array.from(wordsOf(shown).matchAll(/\/records\/([0-9a-f-]{36})/g), ([, id = '']) => id);
