import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ASK, WORK } from '../bypass/grant-world.ts';
import { eventually, startGateway, type TestGateway } from './gateway.ts';
import { freePort } from './postgres.ts';
import { actorOf, type Mode, slackConfig, startSlack } from './slack-kit.ts';
import type { FakeMessage, FakeView } from './slack.ts';

export const CARDS = 'C0123456';

/** The same rules as for grants elsewhere, with a channel for their cards; break-glass also behind a sign-in. */
const IN_CHAT = ASK.replaceAll('@hold("dba")', '@hold("dba") @channel("db-approvals")').replace(
  '@review("security")',
  '@review("security") @channel("db-approvals")',
);
const MORE = `
@id("glass-signed") @stepup("5m") @duration("1h") @review("security") @channel("db-approvals")
permit (principal in Group::"engineering", action == Action::"break-glass", resource == Role::"shop/owner");
`;
export const CHAT_RULES = WORK + IN_CHAT + MORE;

const text = (blocks: readonly unknown[]): string => JSON.stringify(blocks);

/** The whole product with the bot at a fake Slack, and rules about roles. */
export async function startAccessChat(mode: Mode = 'http') {
  const slack = await startSlack();
  const people = ['engineer', 'approver', 'approver2', 'oncall', 'security', 'stranger'];
  for (const who of people) slack.users.set(userOf(who), { email: `${who}@example.com` });
  const port = await freePort();
  const gateway: TestGateway = await startGateway({
    onlyRules: CHAT_RULES,
    rules: '',
    slack: slackConfig(mode, slack, port),
  });
  const actor = actorOf(mode, slack, () => `http://127.0.0.1:${port}`);

  let from = 0;
  /** The newest direct message to this person, since `clear`, whose text has this in it. */
  const direct = (who: string, part: string): FakeMessage | undefined =>
    slack.messages.findLast(
      (one, at) =>
        at >= from && one.channel === `D${userOf(who)}` && text(one.blocks).includes(part),
    );
  const untilDirect = (who: string, part: string): Promise<FakeMessage> =>
    eventually(`a direct message to ${who} with “${part}”`, () => direct(who, part));
  const card = (id: string): Promise<FakeMessage> =>
    eventually(`the card of ${id}`, async () => {
      const { rows } = await gateway.storeSql.query(
        'select ts from countersign.post where request = $1 and ts is not null',
        [id],
      );
      return slack.messages.find((one) => one.ts === rows[0]?.ts && one.channel === CARDS);
    });
  const view = async (after: number): Promise<FakeView> => {
    await slack.until(() => slack.views.length > after);
    const found = slack.views[after];
    if (!found) throw new Error('no view');
    return found;
  };
  /** `/access …` that opens a form. */
  const openForm = async (who: string, words = ''): Promise<FakeView> => {
    const before = slack.views.length;
    await actor.command(userOf(who), '/access', words);
    return await view(before);
  };
  /** A click that opens a form. */
  const clickForm = async (
    who: string,
    action: string,
    message: FakeMessage,
  ): Promise<FakeView> => {
    const before = slack.views.length;
    await actor.click(userOf(who), action, message);
    return await view(before);
  };
  /** What a one-line command is answered with. */
  const command = async (who: string, words: string): Promise<string> =>
    (await actor.command(userOf(who), '/access', words)).text;
  const requests = async (): Promise<any[]> => {
    const { rows } = await gateway.storeSql.query(
      `select r.*, g.id as grant_id, g.begun_at, g.starts_at, g.ends_at, g.ended_at as grant_ended, g.ended_why, g.revoked_by
       from countersign.request r left join countersign.access_grant g on g.request = r.id
       where r.kind <> 'statement' order by r.created_at desc`,
    );
    return rows;
  };
  /** Asks in one line, and resolves with the request. */
  const ask = async (who: string, words: string): Promise<any> => {
    const said = await command(who, words);
    const [newest] = await requests();
    if (newest?.person !== `${who}@example.com`) throw new Error(`not asked: ${said}`);
    return newest;
  };
  const grantOf = async (request: string): Promise<any> => {
    const { rows } = await gateway.storeSql.query(
      'select * from countersign.access_grant where request = $1',
      [request],
    );
    return rows[0];
  };
  const approve = async (request: string): Promise<any> => {
    const { status, body } = await gateway.api('approver', `/requests/${request}/decision`, {
      decision: 'approve',
      reason: 'fine',
    });
    if (status !== 200) throw new Error(JSON.stringify(body));
    return body.grant;
  };
  /** Moves times of a grant, as if the clock had gone on. */
  const pass = (grant: string, set: string) =>
    gateway.storeSql.query(`update countersign.access_grant set ${set} where id = $1`, [grant]);
  const rules = async (rulesText: string): Promise<void> => {
    await writeFile(join(gateway.config.policies, 'shop.cedar'), rulesText);
    await gateway.running.reload();
  };
  /** Nothing is left of what a test before has asked for. */
  const clear = async (): Promise<void> => {
    await gateway.storeSql.query(
      `update countersign.request set state = 'withdrawn' where state = 'pending'`,
    );
    await gateway.storeSql.query(
      `update countersign.access_grant set ended_at = coalesce(ended_at, clock_timestamp()), ended_why = coalesce(ended_why, 'cleared'),
         reviewed_at = clock_timestamp(), reviewed_by = 'nobody@example.com'`,
    );
    slack.ephemerals.length = 0;
    slack.refusals.length = 0;
    from = slack.messages.length;
  };
  return {
    slack,
    gateway,
    actor,
    direct,
    untilDirect,
    card,
    openForm,
    clickForm,
    command,
    requests,
    ask,
    grantOf,
    approve,
    pass,
    rules,
    clear,
    async stop() {
      await gateway.stop();
      await slack.close();
    },
  };
}

/** The form that an answer to a form brings, as Slack would show it then. */
export const nextForm = (answer: { readonly text: string }): FakeView => ({
  id: 'VNEXT',
  ...JSON.parse(answer.text).view,
});
/** What is wrong, by field. */
export const errorsOf = (answer: { readonly text: string }): Record<string, string> =>
  answer.text === '' ? {} : (JSON.parse(answer.text).errors ?? {});
export const userOf = (who: string): string => `U${who.toUpperCase()}`;
export const shows = ({ blocks }: { readonly blocks: readonly unknown[] }, part: string): boolean =>
  text(blocks).includes(JSON.stringify(part).slice(1, -1));

export type AccessChat = Awaited<ReturnType<typeof startAccessChat>>;
