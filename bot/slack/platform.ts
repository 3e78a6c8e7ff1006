import { webApi } from '@slack/bolt';
import { z } from 'zod';
import { RetryAfter } from '../inbox.ts';
import { Refused, type Platform, type Ref } from '../platform.ts';
import { platformError } from './client.ts';
import { fits, type Known, lineText, slackMessage } from './render.ts';

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

/** Slack, with a client that never retries by itself. */
export function slackPlatform(client: webApi.WebClient, known: () => Known = () => ({})): Platform {
  return {
    name: 'slack',
    fits: (post) => fits(slackMessage(post, known())),
    async post(channel, post, { key, thread }) {
      const { ts } = await refusing(
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- Slack's method, not a window's
        client.chat.postMessage({
          channel,
          ...slackMessage(post, known()),
          metadata: { event_type: EVENT, event_payload: { request: key } },
          ...(thread !== undefined && { thread_ts: thread }),
          unfurl_links: false,
          unfurl_media: false,
          // oxlint-disable-next-line unicorn/require-post-message-target-origin -- Slack's method, not a window's
        }),
      );
      if (ts === undefined) throw new Error('Slack took the message and gave no ts for it');
      return { channel, message: ts };
    },
    async update({ channel, message }, post) {
      try {
        const { text, blocks } = slackMessage(post, known());
        await refusing(client.chat.update({ channel, ts: message, text, blocks }));
        return true;
      } catch (error) {
        if (error instanceof Refused && error.code === 'message_not_found') return false;
        throw error;
      }
    },
    find: (channel, key, since) => find(client, channel, key, since),
    async direct(_workspace, user) {
      const { channel } = await refusing(client.conversations.open({ users: user }));
      if (channel?.id === undefined) throw new Error('Slack gave no id for a direct message');
      return channel.id;
    },
    async whisper(channel, _workspace, user, line) {
      await refusing(client.chat.postEphemeral({ channel, user, text: lineText(line, known()) }));
    },
  };
}

/** Without the optional history scopes a copy is accepted: it does not act. */
async function find(
  client: webApi.WebClient,
  channel: string,
  key: string,
  since: string,
): Promise<Ref | undefined> {
  try {
    const history = History.parse(
      await refusing(
        client.conversations.history({
          channel,
          oldest: String(Math.floor(Date.parse(since) / 1_000) - 60),
          include_all_metadata: true,
          limit: 200,
        }),
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

/** Slack's errors in the words that every platform has. */
export async function refusing<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof webApi.WebAPIRateLimitedError)
      throw new RetryAfter(error.retryAfter * 1_000, error);
    const said = platformError(error);
    if (said !== undefined) throw new Refused(said, error);
    throw error;
  }
}
