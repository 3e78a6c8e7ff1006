import { webApi } from '@slack/bolt';
import { z } from 'zod';
import { RetryAfter } from '../inbox.ts';
import type { Post } from '../model.ts';
import { Refused, type Platform, type Ref } from '../platform.ts';
import type { Channels } from './channels.ts';
import type { Pictures } from './pictures.ts';
import { refusing } from './refusing.ts';
import { fits, lineText, slackMessage, type SlackMessage } from './render.ts';

/** What each message of ours carries, so that one whose reply was lost is found again. */
const EVENT = 'countersign_request';

const History = z.object({
  messages: z.array(
    z.object({
      ts: z.string(),
      metadata: z.object({ event_type: z.string(), event_payload: z.unknown() }).optional(),
    }),
  ),
});

const Reactions = z.object({
  message: z.object({
    reactions: z.array(z.object({ name: z.string(), users: z.array(z.string()) })).default([]),
  }),
});

const LOOK_AGAIN_MS = 1_000;

/** `client` is one that never retries by itself. */
export function slackPlatform(
  client: webApi.WebClient,
  pictures: Pictures,
  channels?: Pick<Channels, 'check' | 'saw'>,
  usergroups: ReadonlyMap<string, string> = new Map(),
): Platform {
  /** Says it with its pictures, or without, when Slack does not take them. */
  const say = async <T>(post: Post, send: (message: SlackMessage) => Promise<T>): Promise<T> => {
    const files = await refusing(pictures.of(post));
    try {
      return await refusing(send(slackMessage(post, { files, usergroups })));
    } catch (error) {
      if (!isOfPicture(error)) throw error;
      pictures.refused(post);
      throw new RetryAfter(LOOK_AGAIN_MS, error);
    }
  };
  return {
    name: 'slack',
    fits: (post) => fits(slackMessage(post, { files: unsent(post), usergroups })),
    async post(channel, post, { key, thread }) {
      await channels?.check(channel);
      const posting = say(post, (message) =>
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- Slack's method, not a window's
        client.chat.postMessage({
          channel,
          ...message,
          metadata: { event_type: EVENT, event_payload: { request: key } },
          ...(thread !== undefined && { thread_ts: thread }),
          unfurl_links: false,
          unfurl_media: false,
          // oxlint-disable-next-line unicorn/require-post-message-target-origin -- Slack's method, not a window's
        }),
      );
      const { ts } = await posting.catch((error: unknown) => {
        channels?.saw(channel, error);
        throw error;
      });
      if (ts === undefined) throw new Error('Slack took the message and gave no ts for it');
      return { channel, message: ts };
    },
    async update({ channel, message: ts }, post) {
      try {
        await say(post, ({ text, blocks }) => client.chat.update({ channel, ts, text, blocks }));
        return true;
      } catch (error) {
        if (error instanceof Refused && error.code === 'message_not_found') return false;
        throw error;
      }
    },
    find: (channel, key, since, thread) => find(client, { channel, key, since, thread }),
    async direct(_workspace, user) {
      const { channel } = await refusing(client.conversations.open({ users: user }));
      if (channel?.id === undefined) throw new Error('Slack gave no id for a direct message');
      return channel.id;
    },
    async whisper(channel, _workspace, user, line) {
      await refusing(client.chat.postEphemeral({ channel, user, text: lineText(line) }));
    },
    async reactions({ channel, message }) {
      const got = await refusing(client.reactions.get({ channel, timestamp: message, full: true }));
      return Reactions.parse(got).message.reactions.map(({ name, users }) => ({
        name: plainReaction(name),
        users,
      }));
    },
    async react({ channel, message }, name) {
      await refusing(client.reactions.add({ channel, timestamp: message, name }));
    },
  };
}

/** `+1::skin-tone-2` is the reaction +1. */
export const plainReaction = (name: string): string => name.replace(/::skin-tone-\d$/u, '');

type Wanted = {
  readonly channel: string;
  readonly key: string;
  readonly since: string;
  readonly thread: string | undefined;
};

/** Without the optional history scopes a copy is accepted: it does not act. */
async function find(
  client: webApi.WebClient,
  { channel, key, since, thread }: Wanted,
): Promise<Ref | undefined> {
  try {
    const window = {
      channel,
      oldest: String(Math.floor(Date.parse(since) / 1_000) - 60),
      include_all_metadata: true,
      limit: 200,
    };
    const history = History.parse(
      await refusing(
        thread === undefined
          ? client.conversations.history(window)
          : client.conversations.replies({ ...window, ts: thread }),
      ),
    );
    const ours = z.object({ request: z.literal(key) });
    const found = history.messages.find(
      ({ metadata }) =>
        metadata?.event_type === EVENT && ours.safeParse(metadata.event_payload).success,
    );
    return found && { channel, message: found.ts };
  } catch (error) {
    if (error instanceof Refused && error.code === 'missing_scope') return undefined;
    throw error;
  }
}

/** For the size of a message before its pictures are there. */
const unsent = ({ parts }: Post): ReadonlyMap<string, string> =>
  new Map(parts.flatMap((part) => (part.kind === 'image' ? [[part.png, 'F0000000000']] : [])));

const Details = z.object({ response_metadata: z.object({ messages: z.array(z.string()) }) });

function isOfPicture(error: unknown): boolean {
  if (!(error instanceof Refused) || error.code !== 'invalid_blocks') return false;
  const { cause } = error;
  const said = Details.safeParse(cause instanceof webApi.WebAPIPlatformError ? cause.data : {});
  return said.data?.response_metadata.messages.some((text) => text.includes('slack file')) === true;
}
