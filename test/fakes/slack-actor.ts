import { createHmac, randomUUID } from 'node:crypto';
import { BOT_USER, type FakeMessage, type FakeSlack, type FakeView, TEAM } from './slack.ts';
import { stateOf } from './slack-form.ts';

export const APP = 'A0123456';
export const FORM = 'application/x-www-form-urlencoded';
const JSON_TYPE = 'application/json';

/** What was sent, to be sent again: the same bytes of the same second, or the same envelope. */
export type Sent = { body: string; at: number; envelope: string; type?: string };
export type Options = {
  /** Seconds since the epoch. */
  at?: number;
  signature?: string;
  headers?: Record<string, string>;
  team?: string;
  app?: string;
};
type Click = Options & { value?: string; triggerAge?: number };
type Event = Options & {
  /** The same for a retry. */
  id?: string;
  retry?: number;
  /** From a channel that other organisations read. */
  extShared?: boolean;
};
/** 200 when the bot took it. `text` is its answer, as JSON. */
export type Answer = { status: number; text: string; sent: Sent };
export type Door = (sent: Sent, options: Options) => Promise<Answer>;
type OnMessage = Pick<FakeMessage, 'ts' | 'channel' | 'blocks'>;
/** What stands in a form's fields, by block id; null is left empty. */
type Values = Readonly<Record<string, string | null>>;

/** Slack's calls over HTTP, signed as Slack signs them. */
export function httpDoor(url: () => string, secret: string): Door {
  return async (sent, options) => {
    const { body, at } = sent;
    const own = `v0=${createHmac('sha256', secret).update(`v0:${at}:${body}`).digest('hex')}`;
    const response = await fetch(`${url()}/slack/events`, {
      method: 'POST',
      body,
      headers: {
        'content-type': sent.type ?? FORM,
        'x-slack-request-timestamp': String(at),
        'x-slack-signature': options.signature ?? own,
        ...options.headers,
      },
    });
    return { status: response.status, text: await response.text(), sent };
  };
}

/** The same calls over Socket Mode. What is sent again is the same envelope. */
export function socketDoor(slack: FakeSlack): Door {
  return async (sent, { headers = {} }) => {
    const { payload, type } = enveloped(sent);
    const { acked } = await slack.socket.deliver(payload, {
      type,
      envelope: sent.envelope,
      retry: Number(headers['x-slack-retry-num'] ?? 0),
      attempts: 1,
    });
    const text = acked?.payload === undefined ? '' : JSON.stringify(acked.payload);
    return { status: acked ? 200 : 504, text, sent };
  };
}

/** What of a call travels in an envelope, and of which kind that is. */
function enveloped({ body, type }: Sent) {
  if (type === JSON_TYPE)
    return { payload: JSON.parse(body) as unknown, type: 'events_api' } as const;
  const form = new URLSearchParams(body);
  if (form.has('command'))
    return { payload: Object.fromEntries(form), type: 'slash_commands' } as const;
  return {
    payload: JSON.parse(form.get('payload') ?? '{}') as unknown,
    type: 'interactive',
  } as const;
}

const nowOf = (options: Options): number => options.at ?? Math.floor(Date.now() / 1_000);

function sentBy(user: string, fields: object, options: Options): Sent {
  const value = {
    team: { id: options.team ?? TEAM, domain: 'acme' },
    api_app_id: options.app ?? APP,
    user: { id: user, team_id: options.team ?? TEAM },
    ...fields,
  };
  const body = new URLSearchParams({ payload: JSON.stringify(value) }).toString();
  return { body, at: nowOf(options), envelope: randomUUID() };
}

function eventOf(event: object, options: Event): Sent {
  const body = JSON.stringify({
    type: 'event_callback',
    api_app_id: options.app ?? APP,
    team_id: options.team ?? TEAM,
    event_id: options.id ?? `Ev${randomUUID()}`,
    event_time: nowOf(options),
    is_ext_shared_channel: options.extShared ?? false,
    authorizations: [{ team_id: TEAM, user_id: BOT_USER, is_bot: true }],
    event,
  });
  return { body, at: nowOf(options), envelope: randomUUID(), type: JSON_TYPE };
}

/** Slack's outbound side: what people do, and what happens in the workspace. */
export function slackActor(slack: FakeSlack, door: Door) {
  let asked = 0;
  const actor = {
    send: (sent: Sent, options: Options = {}) => door(sent, options),
    /** A click on the button of this message; the value is the one the card carries, unless given. */
    click(user: string, action: string, message: OnMessage, options: Click = {}) {
      return door(actor.clickOf(user, action, message, options), options);
    },
    /** The same, not sent yet. */
    clickOf(user: string, action: string, message: OnMessage, options: Click = {}): Sent {
      return sentBy(
        user,
        {
          type: 'block_actions',
          trigger_id: slack.trigger(options.triggerAge),
          container: { type: 'message', message_ts: message.ts, channel_id: message.channel },
          channel: { id: message.channel, name: 'db-approvals' },
          message: { ts: message.ts, type: 'message', text: 'x' },
          actions: [pressed(action, options.value ?? valueOn(message.blocks, action))],
        },
        options,
      );
    },
    /** A click on a button of App Home. */
    clickHome(user: string, action: string, options: Click = {}) {
      const blocks = slack.homes.get(user)?.blocks ?? [];
      const fields = {
        type: 'block_actions',
        trigger_id: slack.trigger(options.triggerAge),
        container: { type: 'view', view_id: 'VHOME' },
        view: { id: 'VHOME', type: 'home' },
        actions: [pressed(action, options.value ?? valueOn(blocks, action))],
      };
      return door(sentBy(user, fields, options), options);
    },
    /** The deny modal, sent with this reason. */
    submit(
      user: string,
      view: { private_metadata: string; callback_id: string },
      reason: string | null,
    ) {
      const values = { reason: { text: { type: 'plain_text_input', value: reason } } };
      const submission = {
        type: 'view_submission',
        trigger_id: slack.trigger(),
        view: { id: 'V1', type: 'modal', ...view, state: { values } },
      };
      return door(sentBy(user, submission, {}), {});
    },
    /**
     * Any form, filled in: values by block id, for a time ISO 8601. What is not given stays as the form has it. Throws
     * when Slack would not let it be sent: an unknown field or choice, or a field that must not be empty.
     */
    fill(user: string, view: FakeView, values: Values = {}, options: Options = {}) {
      const submission = {
        type: 'view_submission',
        trigger_id: slack.trigger(),
        view: { ...view, state: { values: stateOf(view, values) } },
      };
      return door(sentBy(user, submission, options), options);
    },
    /** What a `search` field offers for what was typed. */
    async suggest(user: string, source: string, typed = '', options: Options = {}) {
      const fields = {
        type: 'block_suggestion',
        action_id: source,
        block_id: source,
        value: typed,
      };
      const answer = await door(sentBy(user, fields, options), options);
      const { options: choices } = JSON.parse(answer.text || '{"options":[]}') as {
        options: { value: string; text: { text: string } }[];
      };
      return choices.map(({ value, text }) => ({ value, label: text.text }));
    },
    /** `/access break-glass` is `command(user, '/access', 'break-glass')`. */
    command(user: string, command: string, text = '', options: Click & { channel?: string } = {}) {
      const body = new URLSearchParams({
        command,
        text,
        user_id: user,
        team_id: options.team ?? TEAM,
        api_app_id: options.app ?? APP,
        channel_id: options.channel ?? 'C0ANYWHERE',
        trigger_id: slack.trigger(options.triggerAge),
        response_url: 'https://hooks.slack.com/commands/not-called',
      }).toString();
      return door({ body, at: nowOf(options), envelope: randomUUID() }, options);
    },
    shortcut(user: string, callback: string, options: Click = {}) {
      const fields = {
        type: 'shortcut',
        callback_id: callback,
        trigger_id: slack.trigger(options.triggerAge),
        action_ts: slack.ts(),
      };
      return door(sentBy(user, fields, options), options);
    },
    /** Any event of the Events API. */
    event(event: { type: string; [key: string]: unknown }, options: Event = {}) {
      const headers =
        options.retry === undefined ? {} : { 'x-slack-retry-num': `${options.retry}` };
      return door(eventOf({ event_ts: (Date.now() / 1_000).toFixed(6), ...event }, options), {
        ...options,
        headers: { ...headers, ...options.headers },
      });
    },
    openHome: (user: string, tab: 'home' | 'messages' = 'home', options: Event = {}) =>
      actor.event({ type: 'app_home_opened', user, tab, channel: `D${user}` }, options),
    /** `@countersign text`, in a channel. */
    mention(
      user: string,
      channel: string,
      text: string,
      options: Event & { thread?: string } = {},
    ) {
      const ts = personTs((asked += 1));
      const said = { type: 'app_mention', user, channel, ts, text: `<@${BOT_USER}> ${text}` };
      return actor.event({ ...said, ...threaded(options.thread) }, options);
    },
    /** A message to the bot alone. */
    write(user: string, text: string, options: Event & { thread?: string } = {}) {
      const said = { type: 'message', channel_type: 'im', user, channel: `D${user}`, text };
      const ts = personTs((asked += 1));
      return actor.event({ ...said, ts, ...threaded(options.thread) }, options);
    },
    /** A reaction, or its removal: it stands at the message before Slack tells of it. */
    react(
      user: string,
      reaction: string,
      message: Pick<FakeMessage, 'ts' | 'channel'>,
      options: Event & { removed?: boolean; author?: string } = {},
    ) {
      const on = slack.messageAt(message.channel, message.ts)?.reactions;
      const users = on?.get(reaction) ?? new Set<string>();
      if (options.removed) users.delete(user);
      else users.add(user);
      on?.set(reaction, users);
      return actor.event(
        {
          type: options.removed ? 'reaction_removed' : 'reaction_added',
          user,
          reaction,
          item: { type: 'message', channel: message.channel, ts: message.ts },
          item_user: options.author ?? BOT_USER,
        },
        options,
      );
    },
    /** A link, in somebody's message. Resolves with what was shown under it. */
    async share(user: string, channel: string, urls: readonly string[], options: Event = {}) {
      const link = { ts: personTs((asked += 1)), channel } as (typeof slack.shared)[number];
      slack.shared.push(link);
      const links = urls.map((url) => ({ url, domain: new URL(url).hostname }));
      const answer = await actor.event(
        {
          type: 'link_shared',
          user,
          channel,
          message_ts: link.ts,
          is_bot_user_member: slack.channel(channel).is_member,
          source: 'conversations_history',
          links,
        },
        { extShared: slack.channel(channel).is_ext_shared, ...options },
      );
      return { ...answer, unfurls: () => link.unfurls };
    },
  };
  return actor;
}

/** Of messages that people write, which the fake does not keep. */
const personTs = (count: number): string => `1700000001.${String(count).padStart(6, '0')}`;

const threaded = (thread: string | undefined) =>
  thread === undefined ? {} : { thread_ts: thread, parent_user_id: BOT_USER };

function valueOn(blocks: FakeMessage['blocks'], action: string): string | undefined {
  return blocks.flatMap((block) => block.elements ?? []).find((one) => one.action_id === action)
    ?.value;
}

const pressed = (action: string, value: string | undefined) => ({
  type: 'button',
  action_id: action,
  block_id: 'decide',
  value,
  action_ts: String(Math.random()),
});
