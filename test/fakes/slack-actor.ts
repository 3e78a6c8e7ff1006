import { createHmac, randomUUID } from 'node:crypto';
import { type FakeMessage, type FakeSlack, TEAM } from './slack.ts';

export const APP = 'A0123456';
export const FORM = 'application/x-www-form-urlencoded';

/** What was sent, to be sent again: the same bytes of the same second, or the same envelope. */
export type Sent = { body: string; at: number; envelope: string };
export type Options = {
  /** Seconds since the epoch. */
  at?: number;
  signature?: string;
  headers?: Record<string, string>;
  team?: string;
  app?: string;
};
type Click = Options & { value?: string; triggerAge?: number };
/** 200 when the bot took it. `text` is its answer, as JSON. */
export type Answer = { status: number; text: string; sent: Sent };
export type Door = (sent: Sent, options: Options) => Promise<Answer>;

/** Slack's calls over HTTP, signed as Slack signs them. */
export function httpDoor(url: () => string, secret: string): Door {
  return async (sent, options) => {
    const { body, at } = sent;
    const own = `v0=${createHmac('sha256', secret).update(`v0:${at}:${body}`).digest('hex')}`;
    const response = await fetch(`${url()}/slack/events`, {
      method: 'POST',
      body,
      headers: {
        'content-type': FORM,
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
    const payload: unknown = JSON.parse(new URLSearchParams(sent.body).get('payload') ?? '{}');
    const { acked } = await slack.socket.deliver(payload, {
      envelope: sent.envelope,
      retry: Number(headers['x-slack-retry-num'] ?? 0),
      attempts: 1,
    });
    const text = acked?.payload === undefined ? '' : JSON.stringify(acked.payload);
    return { status: acked ? 200 : 504, text, sent };
  };
}

function sentBy(user: string, fields: object, options: Options): Sent {
  const value = {
    team: { id: options.team ?? TEAM, domain: 'acme' },
    api_app_id: options.app ?? APP,
    user: { id: user, team_id: options.team ?? TEAM },
    ...fields,
  };
  const body = new URLSearchParams({ payload: JSON.stringify(value) }).toString();
  const at = options.at ?? Math.floor(Date.now() / 1_000);
  return { body, at, envelope: randomUUID() };
}

/** Slack's outbound side: what people do. */
export function slackActor(slack: FakeSlack, door: Door) {
  const actor = {
    send: (sent: Sent, options: Options = {}) => door(sent, options),
    /** A click on the button of this message; the value is the one the card carries, unless given. */
    click(
      user: string,
      action: string,
      message: Pick<FakeMessage, 'ts' | 'channel' | 'blocks'>,
      options: Click = {},
    ) {
      return door(actor.clickOf(user, action, message, options), options);
    },
    /** The same, not sent yet. */
    clickOf(
      user: string,
      action: string,
      message: Pick<FakeMessage, 'ts' | 'channel' | 'blocks'>,
      options: Click = {},
    ): Sent {
      const buttons = message.blocks.flatMap((block) => block.elements ?? []);
      const value = options.value ?? buttons.find((one) => one.action_id === action)?.value;
      return sentBy(
        user,
        {
          type: 'block_actions',
          trigger_id: slack.trigger(options.triggerAge),
          container: { type: 'message', message_ts: message.ts, channel_id: message.channel },
          channel: { id: message.channel, name: 'db-approvals' },
          message: { ts: message.ts, type: 'message', text: 'x' },
          actions: [
            {
              type: 'button',
              action_id: action,
              block_id: 'decide',
              value,
              action_ts: String(Math.random()),
            },
          ],
        },
        options,
      );
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
  };
  return actor;
}
