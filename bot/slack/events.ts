import type { App, webApi } from '@slack/bolt';
import type { z } from 'zod';
import type { Account, Act, Answer, Desk } from '../desk.ts';
import type { Answers, AnswerParts, Asked } from './answers.ts';
import { EventBody, HomeOpened, LinkShared, Reaction, typedText, Written } from './payloads.ts';
import { plainReaction } from './platform.ts';
import { blocksOf } from './render.ts';

/**
 * What Slack tells of the workspace itself. Events come late, twice and out of order, so none is believed: each only
 * says what to ask Slack again.
 */
export type Changes = {
  /** Something about our tokens, or the app was removed. */
  readonly tokens: () => void;
  readonly channel: (id: string) => void;
};

const OF_CHANNELS = [
  'channel_archive',
  'channel_deleted',
  'channel_left',
  'channel_shared',
  'channel_unarchive',
  'channel_unshared',
  'group_archive',
  'group_deleted',
  'group_left',
  'group_unarchive',
  'member_joined_channel',
] as const;

type Happened = {
  readonly event: unknown;
  readonly body: unknown;
  readonly client: webApi.WebClient;
};

export function registerEvents(
  app: App,
  parts: AnswerParts & { readonly changes?: Changes },
  answers: Answers,
): void {
  const { desk, people, changes } = parts;

  app.event('app_home_opened', async ({ event, body, client }) => {
    const { user, tab } = HomeOpened.parse(event);
    if (tab === 'home') await answers.publishHome(client, accountIn(body, user));
  });

  const written = async ({ event, body, client }: Happened) => {
    const said = Written.parse(event);
    const [us] = EventBody.parse(body).authorizations;
    const text = typedText(said.text, us?.user_id);
    const thread = said.thread_ts;
    const asked: Asked = {
      account: accountIn(body, said.user),
      place: { channel: said.channel, ...(thread !== undefined && { message: thread }) },
      ...(thread !== undefined && { thread }),
    };
    await answers.give(client, asked, await answers.answerTo(asked, mentioning(desk, text), text));
  };
  app.event('app_mention', async (happened) => {
    if (isByPerson(happened.event)) await written(happened);
  });
  app.event('message', async (happened) => {
    const { event } = happened;
    if ('channel_type' in event && event.channel_type === 'im' && isByPerson(event))
      await written(happened);
  });

  const reacted =
    (added: boolean) =>
    async ({ event, body, client }: Happened) => {
      const { reacted: handler } = desk;
      const found = Reaction.safeParse(event).data;
      // Everybody's reactions in our channels come here; only those of others on what we wrote mean something.
      if (!handler || !found || !isOnOurs(found, body)) return;
      const { user, item } = found;
      const reaction = plainReaction(found.reaction);
      const at = new Date(Number(found.event_ts) * 1_000).toISOString();
      const asked: Asked = {
        account: accountIn(body, user),
        place: { channel: item.channel, message: item.ts },
      };
      const acted: { answer?: Answer } = {};
      await answers.answerTo(asked, async (act) => {
        acted.answer = await handler({ ...act, reaction, added, at });
        return undefined;
      });
      // Whoever may not act reacts as they like: nobody asked anything.
      await answers.give(client, asked, acted.answer);
    };
  app.event('reaction_added', reacted(true));
  app.event('reaction_removed', reacted(false));

  app.event('link_shared', async ({ event, body, client }) => {
    const shared = LinkShared.parse(event);
    // What a link says is for this workspace.
    if (!EventBody.parse(body).is_ext_shared_channel) await unfurl(client, shared, parts, answers);
  });

  app.event('user_change', ({ event }) => {
    people.forgetUser({ platform: 'slack', user: event.user.id });
    return Promise.resolve();
  });
  for (const name of ['app_uninstalled', 'tokens_revoked'])
    app.event(name, () => Promise.resolve(changes?.tokens()));
  for (const name of OF_CHANNELS)
    app.event(name, ({ event }) => {
      const { channel } = event as { readonly channel?: unknown };
      if (typeof channel === 'string') changes?.channel(channel);
      return Promise.resolve();
    });
}

const mentioning =
  ({ mentioned }: Desk, text: string) =>
  async (act: Act): Promise<Answer> =>
    await mentioned?.({ ...act, text });

async function unfurl(
  client: webApi.WebClient,
  { channel, message_ts: ts, unfurl_id: id, source, links }: z.infer<typeof LinkShared>,
  { desk, publicUrl }: AnswerParts,
  { known }: Answers,
): Promise<void> {
  const unfurls: Record<string, { blocks: ReturnType<typeof blocksOf> }> = {};
  for (const { url } of links) {
    // oxlint-disable-next-line no-await-in-loop -- a link or two
    const post = isOurs(url, publicUrl) ? await desk.unfurl?.(new URL(url)) : undefined;
    // oxlint-disable-next-line no-await-in-loop -- as above
    if (post) unfurls[url] = { blocks: blocksOf(post, await known(post)) };
  }
  if (Object.keys(unfurls).length === 0) return;
  if (id === undefined || (source !== 'composer' && source !== 'conversations_history'))
    await client.chat.unfurl({ channel, ts, unfurls });
  else await client.chat.unfurl({ unfurl_id: id, source, unfurls });
}

const isOurs = (url: string, publicUrl: string): boolean =>
  URL.canParse(url) && new URL(url).origin === new URL(publicUrl).origin;

const accountIn = (body: unknown, user: string): Account => ({
  platform: 'slack',
  workspace: EventBody.parse(body).team_id,
  user,
});

function isOnOurs({ user, item_user: author }: z.infer<typeof Reaction>, body: unknown): boolean {
  const [us] = EventBody.parse(body).authorizations;
  return us !== undefined && author === us.user_id && user !== us.user_id;
}

/** Not what apps write, nor edits and what Slack itself says in a conversation. */
function isByPerson(event: object): boolean {
  return !('bot_id' in event) && !('subtype' in event) && 'user' in event;
}
