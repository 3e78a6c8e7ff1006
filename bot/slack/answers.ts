import { setTimeout as sleep } from 'node:timers/promises';
import type { webApi } from '@slack/bolt';
import type { Account, Act, Actor, Answer, Desk, Place } from '../desk.ts';
import type { BotLog } from '../log.ts';
import type { Form, Post } from '../model.ts';
import type { ChatPeople } from '../people.ts';
import { platformError } from './client.ts';
import { fallback } from './escape.ts';
import { blocksOf, type Known, modalOf, slackMessage } from './render.ts';

export type AnswerParts = {
  readonly desk: Desk;
  readonly people: ChatPeople;
  readonly publicUrl: string;
  readonly log: BotLog;
  /** With the pictures of this post among its files. */
  readonly known?: (post: Post) => Promise<Known>;
};

export type Asked = {
  readonly account: Account;
  readonly place: Place;
  readonly trigger?: string;
  /** The thread that the answer belongs into. */
  readonly thread?: string;
};

/** Slack waits three seconds for an answer, and then shows the person an error. */
const ACK_MS = 2_000;
const FAILED = 'That could not be done just now, and nothing was. Try again, or do it here:';
const SLOW_DIALOG = 'Slack took too long to open the dialog: press the button again.';
/** The bot is not where somebody wrote a command: in a conversation of theirs, or a channel that it is not in. */
const ELSEWHERE = ['channel_not_found', 'not_in_channel', 'user_not_in_channel', 'is_archived'];

export const LATE = Symbol('late');

/** What `work` comes to, or `LATE` when Slack would not wait for it. */
export function inTime<T>(work: Promise<T>): Promise<T | typeof LATE> {
  return Promise.race([work, sleep(ACK_MS, LATE, { ref: false })]);
}

export type Told = Extract<Answer, { readonly tell: string }>;

export const told = ({ tell, link }: Told): string =>
  link === undefined ? tell : `${tell} ${link}`;

export const tellPost = (answer: Told): Post => ({ summary: told(answer), parts: [] });

/** Finds out who acts, and gives the answer to that person alone. */
export type Answers = ReturnType<typeof answering>;

export function answering(parts: AnswerParts) {
  const { desk, log, publicUrl, people } = parts;
  const known = async (post: Post): Promise<Known> => (await parts.known?.(post)) ?? {};

  /** The actor, or what they are told. */
  const actorOf = async (account: Account, said?: string): Promise<Actor | Answer> => {
    const found = await people.actor(account, said);
    if ('actor' in found) return found.actor;
    if ('refused' in found) return { tell: found.refused };
    return { tell: 'Say once who you are, then do this again:', link: found.unlinked };
  };

  const answerTo = async <T>(
    asked: Asked,
    act: (act: Act) => Promise<T | Answer>,
    said?: string,
  ): Promise<T | Answer> => {
    try {
      const actor = await actorOf(asked.account, said);
      return actor && 'person' in actor ? await act({ actor, place: asked.place }) : actor;
    } catch (error) {
      log.error({ err: error, ...asked.place }, 'something done in Slack could not be handled');
      return { tell: FAILED, link: publicUrl };
    }
  };

  /** What is only told has no blocks: its text is the whole message. */
  const messageOf = async (answer: Exclude<Answer, undefined | { form: unknown }>) => {
    const post = 'show' in answer ? answer.show : tellPost(answer);
    return post.parts.length === 0
      ? { text: fallback(post.summary) }
      : slackMessage(post, await known(post));
  };

  /** False when Slack took longer than a trigger lives. */
  const open = async (
    client: webApi.WebClient,
    { trigger = '', place }: Asked,
    form: Form,
  ): Promise<boolean> => {
    const metadata = JSON.stringify({
      state: form.state,
      ...(place.channel !== undefined && { channel: place.channel }),
    });
    const view = modalOf(form, metadata, await known({ summary: '', parts: form.parts ?? [] }));
    try {
      await client.views.open({ trigger_id: trigger, view });
      return true;
    } catch (error) {
      if (platformError(error) !== 'expired_trigger_id') throw error;
      return false;
    }
  };

  const give = async (client: webApi.WebClient, asked: Asked, answer: Answer): Promise<void> => {
    if (!answer) return;
    try {
      if (!('form' in answer)) return await whisper(client, asked, await messageOf(answer));
      if (await open(client, asked, answer.form)) return;
      await whisper(client, asked, await messageOf({ tell: SLOW_DIALOG }));
    } catch (error) {
      log.warn({ err: error }, 'an answer in Slack was not delivered');
    }
  };

  const publishHome = async (client: webApi.WebClient, account: Account): Promise<void> => {
    const { home } = desk;
    if (!home) return;
    const answer = await answerTo({ account, place: {} }, async ({ actor }) => ({
      show: await home(actor),
    }));
    if (!answer || 'form' in answer) return;
    const shown = 'show' in answer ? answer.show : toldOnHome(answer);
    const blocks = blocksOf(shown, await known(shown));
    await client.views.publish({ user_id: account.user, view: { type: 'home', blocks } });
  };

  return { answerTo, give, messageOf, publishHome, known };
}

type Sent = { readonly text: string; readonly blocks?: ReturnType<typeof slackMessage>['blocks'] };

/** What was done at no message, as on App Home, is answered directly; so is what was done where the bot is not. */
async function whisper(client: webApi.WebClient, asked: Asked, message: Sent): Promise<void> {
  const { account, place, thread } = asked;
  const { channel } = place;
  const within = thread === undefined ? {} : { thread_ts: thread };
  if (channel === undefined) return await directly(client, asked, message);
  if (channel.startsWith('D')) {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- Slack's method, not a window's
    await client.chat.postMessage({ channel, ...within, ...message });
    return;
  }
  try {
    await client.chat.postEphemeral({ channel, user: account.user, ...within, ...message });
  } catch (error) {
    if (!ELSEWHERE.includes(platformError(error) ?? '')) throw error;
    await directly(client, asked, message);
  }
}

async function directly(
  client: webApi.WebClient,
  { account: { user } }: Asked,
  message: Sent,
): Promise<void> {
  const { channel } = await client.conversations.open({ users: user });
  if (channel?.id === undefined) return;
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- Slack's method, not a window's
  await client.chat.postMessage({ channel: channel.id, ...message });
}

/** App Home needs blocks. */
const toldOnHome = (answer: Told): Post => ({
  summary: '',
  parts: [
    {
      kind: 'text',
      line:
        answer.link === undefined
          ? [answer.tell]
          : [`${answer.tell} `, { text: answer.link, link: answer.link }],
    },
  ],
});
