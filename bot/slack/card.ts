import type { types } from '@slack/bolt';
import type { Message } from '../message.ts';

type Block = types.KnownBlock;
type RichElement = types.RichTextSection['elements'][number];

/** What `chat.postMessage` and `chat.update` take. */
export type SlackCard = { readonly text: string; readonly blocks: Block[] };

export const ACTIONS = {
  approve: 'approve',
  approveShape: 'approve-shape',
  deny: 'deny',
  review: 'review',
  record: 'record',
};

const WHEN = '{date_short_pretty} {time}';

/**
 * For the few places that Slack reads as mrkdwn: `& < >` by its own rule (which disarms mentions and links), and
 * back-ticks, which would open code.
 */
export function escapeMrkdwn(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('`', 'ˋ');
}

/** Everything people wrote goes into rich text, whose elements Slack takes literally: no markup, no mention. */
export function slackCard(message: Message): SlackCard {
  const blocks: Block[] = [
    {
      type: 'header',
      text: { type: 'plain_text', text: message.title.slice(0, 150), emoji: false },
    },
    {
      type: 'rich_text',
      elements: [
        ...message.facts.map(({ label, text }) => section([bold(`${label}: `), plain(text)])),
        ...(message.statement === undefined
          ? []
          : [
              {
                type: 'rich_text_preformatted' as const,
                elements: [plain(message.statement || ' ')],
              },
            ]),
        ...message.warnings.map((text) => section([bold('Warning: '), plain(text)])),
        ...message.history.map(({ text, at }) => section([plain(`${text}, `), when(at)])),
        ...(message.outcome === undefined
          ? []
          : [section([bold('Outcome: '), plain(message.outcome)])]),
      ],
    },
    ...(message.asks ? [expiry(message.asks), buttons(message, message.asks)] : []),
    {
      type: 'context',
      elements: [
        {
          type: 'mrkdwn',
          text: `<${message.recordUrl}|Audit record>  ·  <${message.reviewUrl}|Request in the console>`,
        },
      ],
    },
  ];
  return { text: escapeMrkdwn(message.summary).slice(0, 4_000), blocks };
}

/** The modal that asks why a request is denied; `state` comes back with the answer. */
export function denyModal(state: string): types.ModalView {
  return {
    type: 'modal',
    callback_id: 'deny',
    private_metadata: state,
    title: { type: 'plain_text', text: 'Deny the request' },
    submit: { type: 'plain_text', text: 'Deny' },
    close: { type: 'plain_text', text: 'Back' },
    blocks: [
      {
        type: 'input',
        block_id: 'reason',
        label: { type: 'plain_text', text: 'Reason' },
        hint: { type: 'plain_text', text: 'The requester reads this, and it goes on record.' },
        element: {
          type: 'plain_text_input',
          action_id: 'text',
          max_length: 1_000,
          multiline: true,
        },
      },
    ],
  };
}

function expiry(asks: NonNullable<Message['asks']>): Block {
  const unix = Math.floor(Date.parse(asks.expiresAt) / 1_000);
  const until = `Expires <!date^${unix}^${WHEN} ({ago})|${asks.expiresAt}>`;
  const why = asks.why.length === 0 ? '' : `. Approval is in the console: ${asks.why.join('; ')}.`;
  return { type: 'context', elements: [{ type: 'mrkdwn', text: until + escapeMrkdwn(why) }] };
}

function buttons(message: Message, asks: NonNullable<Message['asks']>): Block {
  const value = `${message.request}.${message.version}`;
  const approve: types.Button =
    asks.approve === 'console'
      ? {
          type: 'button',
          action_id: ACTIONS.review,
          style: 'primary',
          text: { type: 'plain_text', text: 'Review in console' },
          url: message.reviewUrl,
        }
      : {
          type: 'button',
          action_id: ACTIONS.approve,
          style: 'primary',
          text: { type: 'plain_text', text: 'Approve' },
          value,
          confirm: {
            title: { type: 'plain_text', text: 'Let it run?' },
            text: {
              type: 'plain_text',
              text: 'It runs at once, on the connection that waits for it.',
            },
            confirm: { type: 'plain_text', text: 'Approve' },
            deny: { type: 'plain_text', text: 'Back' },
          },
        };
  return {
    type: 'actions',
    block_id: 'decide',
    elements: [
      approve,
      ...(asks.approve === 'here' ? sameAgain(asks.shape, value) : []),
      {
        type: 'button',
        action_id: ACTIONS.deny,
        style: 'danger',
        text: { type: 'plain_text', text: 'Deny…' },
        value,
      },
      {
        type: 'button',
        action_id: ACTIONS.record,
        text: { type: 'plain_text', text: 'Details' },
        url: message.reviewUrl,
      },
    ],
  };
}

const CONFIRM_MAX = 300;

/** Says in words what may run again; what does not fit is approved in the console. */
function sameAgain(
  shape: NonNullable<Message['asks']>['shape'],
  value: string,
): readonly types.Button[] {
  if (!shape) return [];
  const { words, time } = shape;
  const text = `For ${time} the same person runs it again without asking: ${words}.`;
  if (text.length > CONFIRM_MAX) return [];
  return [
    {
      type: 'button',
      action_id: ACTIONS.approveShape,
      text: { type: 'plain_text', text: `Approve this and the same for ${time}` },
      value,
      confirm: {
        title: { type: 'plain_text', text: 'Let it run, now and again?' },
        text: { type: 'plain_text', text },
        confirm: { type: 'plain_text', text: 'Approve both' },
        deny: { type: 'plain_text', text: 'Back' },
      },
    },
  ];
}

function section(elements: RichElement[]): types.RichTextSection {
  return { type: 'rich_text_section', elements: [...elements, plain('\n')] };
}

function plain(text: string): types.RichTextText {
  return { type: 'text', text };
}

function bold(text: string): types.RichTextText {
  return { type: 'text', text, style: { bold: true } };
}

function when(at: string): RichElement {
  const timestamp = Math.floor(Date.parse(at) / 1_000);
  return { type: 'date', timestamp, format: WHEN, fallback: at };
}
