import type { webApi } from '@slack/bolt';
import { z } from 'zod';
import type { ChannelConfig } from '#src/config/config.ts';
import { Closed, Refused } from '../platform.ts';
import type { Problems } from '../problems.ts';
import { refusing } from './refusing.ts';

/** What Slack said of a channel counts this long; an event about it ends that at once. */
const KNOWN_MS = 60_000;
/** What waits for a channel to be open again looks more often. */
const CLOSED_MS = 5_000;
const MEANWHILE =
  'until then cards go to those who decide directly, and requests are decided in the console';

/** Why nothing is posted into a channel, by our word or Slack's, and what to do. */
const WHY: Readonly<Record<string, string>> = {
  channel_is_public: 'is public, and chat.channels says that it must be private: make it private',
  channel_is_shared: 'is shared with another organisation: stop sharing it, or name another one',
  is_archived: 'is archived: unarchive it, or name another one',
  not_in_channel: 'has no bot: invite it with /invite @countersign',
  channel_not_found: 'is gone, or the bot was removed from it: invite it with /invite @countersign',
  missing_scope:
    'may be public, which cannot be seen without channels:read and groups:read: install the app again',
};

const Info = z.object({
  channel: z.object({
    is_private: z.boolean().default(false),
    is_archived: z.boolean().default(false),
    is_ext_shared: z.boolean().default(false),
    is_member: z.boolean().default(true),
  }),
});

export type ChannelParts = {
  readonly client: webApi.WebClient;
  readonly problems: Problems;
  readonly configured: () => ReadonlyMap<string, ChannelConfig>;
  /** For tests: milliseconds that only rise. */
  readonly now?: () => number;
};

export type Channels = {
  /** Throws `Closed` where nothing may be posted at this moment; operators are told until something may. */
  check(id: string): Promise<void>;
  /** Something about this channel changed: Slack is asked again. */
  changed(id: string): void;
  /** What Slack said to a post there. */
  saw(id: string, error: unknown): void;
  close(): void;
};

/** Which of our channels take a card: not archived, not shared with others, with the bot in it, as private as configured. */
export function watchChannels({
  client,
  problems,
  configured,
  now = () => performance.now(),
}: ChannelParts): Channels {
  const known = new Map<string, { readonly at: number; readonly why: string | undefined }>();
  const part = (id: string): string => `the Slack channel ${nameOf(configured(), id)}`;

  const learn = (id: string, why: string | undefined): void => {
    known.set(id, { at: now(), why });
    if (why === undefined) problems.clear(part(id));
    else problems.set(part(id), `${part(id)} ${WHY[why] ?? `is refused (${why})`}; ${MEANWHILE}`);
  };

  const ask = async (id: string): Promise<string | undefined> => {
    const isPrivate = mustBePrivate(configured(), id);
    try {
      const { channel } = Info.parse(await refusing(client.conversations.info({ channel: id })));
      return whyNot(channel, isPrivate);
    } catch (error) {
      if (error instanceof Closed) return error.code;
      if (!(error instanceof Refused) || error.code !== 'missing_scope') throw error;
      // Without the scope only a channel that has to be private is in question.
      return isPrivate ? error.code : undefined;
    }
  };

  const again = (id: string): void =>
    void ask(id).then(
      (why) => learn(id, why),
      () => known.delete(id),
    );

  // What was made private again says so in no event.
  const watch = setInterval(() => {
    for (const [id, { why }] of known) if (why !== undefined) again(id);
  }, KNOWN_MS).unref();

  return {
    async check(id) {
      if (!isChannel(id)) return;
      const before = known.get(id);
      const counts = before?.why === undefined ? KNOWN_MS : CLOSED_MS;
      if (!before || now() - before.at > counts) learn(id, await ask(id));
      const why = known.get(id)?.why;
      if (why !== undefined) throw new Closed(why, undefined);
    },
    changed(id) {
      if (known.delete(id) || nameOf(configured(), id) !== id) again(id);
    },
    saw(id, error) {
      if (!isChannel(id) || !(error instanceof Closed)) return;
      learn(id, error.code);
      // The next post asks: Slack may have changed its mind.
      known.set(id, { at: Number.NEGATIVE_INFINITY, why: error.code });
    },
    close: () => clearInterval(watch),
  };
}

function whyNot(
  channel: z.infer<typeof Info>['channel'],
  mustPrivate: boolean,
): string | undefined {
  if (channel.is_archived) return 'is_archived';
  if (channel.is_ext_shared) return 'channel_is_shared';
  if (mustPrivate && !channel.is_private) return 'channel_is_public';
  return channel.is_member ? undefined : 'not_in_channel';
}

/** Not a conversation with one person. */
const isChannel = (id: string): boolean => /^[CG]/.test(id);

const nameOf = (configured: ReadonlyMap<string, ChannelConfig>, id: string): string =>
  [...configured].find(([, { slack }]) => slack === id)?.[0] ?? id;

const mustBePrivate = (configured: ReadonlyMap<string, ChannelConfig>, id: string): boolean =>
  [...configured.values()].some(
    ({ slack, private: isPrivate }) => slack === id && isPrivate === true,
  );
