import { createHmac } from 'node:crypto';
import { type FakeMessage, type FakeSlack, TEAM } from './slack.ts';

export const APP = 'A0123456';
const FORM = 'application/x-www-form-urlencoded';

export type Sent = { body: string; at: number };
export type Options = {
  /** Seconds since the epoch. */
  at?: number;
  signature?: string;
  headers?: Record<string, string>;
  team?: string;
  app?: string;
};

/** Slack's outbound side: what people do, signed as Slack signs it. */
export function slackActor(slack: FakeSlack, url: string, secret: string) {
  const send = async (sent: Sent, options: Options = {}) => {
    const { body, at } = sent;
    const own = `v0=${createHmac('sha256', secret).update(`v0:${at}:${body}`).digest('hex')}`;
    const response = await fetch(`${url}/slack/events`, {
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
  const payload = (user: string, fields: object, options: Options = {}) => {
    const value = {
      team: { id: options.team ?? TEAM, domain: 'acme' },
      api_app_id: options.app ?? APP,
      user: { id: user, team_id: options.team ?? TEAM },
      ...fields,
    };
    const body = new URLSearchParams({ payload: JSON.stringify(value) }).toString();
    return send({ body, at: options.at ?? Math.floor(Date.now() / 1_000) }, options);
  };
  return {
    send,
    /** A click on the button of this message; the value is the one the card carries, unless given. */
    click(
      user: string,
      action: string,
      message: Pick<FakeMessage, 'ts' | 'channel' | 'blocks'>,
      options: Options & { value?: string; triggerAge?: number } = {},
    ) {
      const buttons = message.blocks.flatMap((block) => block.elements ?? []);
      const value = options.value ?? buttons.find((one) => one.action_id === action)?.value;
      return payload(
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
      return payload(user, {
        type: 'view_submission',
        trigger_id: slack.trigger(),
        view: { id: 'V1', type: 'modal', ...view, state: { values } },
      });
    },
  };
}
