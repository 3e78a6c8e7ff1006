import type { Button, Part, Post } from '../model.ts';
import type { Message } from '../message.ts';

/** `cuts` is the most of a statement that is tried in turn, until the platform takes the card. */
export const STATEMENT_SIZES: readonly number[] = [3_000, 1_500, 500, 0];

const CONFIRM_MAX = 300;

/** The card of a request: who, where, what, why it is held; with buttons as long as somebody can decide. */
export function cardPost(message: Message): Post {
  const { asks } = message;
  const parts: readonly (Part | undefined)[] = [
    { kind: 'facts', facts: message.facts },
    message.statement === undefined ? undefined : { kind: 'code', text: message.statement },
    ...message.warnings.map((text): Part => said('Warning', text)),
    ...message.history.map(({ text, at }): Part => ({
      kind: 'text',
      line: [`${text}, `, { text: at, at }],
    })),
    message.outcome === undefined ? undefined : said('Outcome', message.outcome),
    asks && expiry(asks),
    asks && { kind: 'buttons', buttons: buttons(message, asks) },
    {
      kind: 'note',
      line: [
        { text: 'Audit record', link: message.recordUrl },
        '  ·  ',
        { text: 'Request in the console', link: message.reviewUrl },
      ],
    },
  ];
  return {
    summary: message.summary,
    title: message.title,
    parts: parts.filter((part) => part !== undefined),
  };
}

const said = (label: string, text: string): Part => ({
  kind: 'text',
  line: [{ text: `${label}: `, style: 'bold' }, text],
});

type Asks = NonNullable<Message['asks']>;

const expiry = ({ expiresAt, why }: Asks): Part => ({
  kind: 'note',
  line: [
    'Expires ',
    { text: expiresAt, at: expiresAt },
    ...(why.length === 0 ? [] : [`. Approval is in the console: ${why.join('; ')}.`]),
  ],
});

function buttons(message: Message, asks: Asks): readonly Button[] {
  const value = `${message.request}.${message.version}`;
  return [
    asks.approve === 'console'
      ? { label: 'Review in console', action: 'review', style: 'primary', url: message.reviewUrl }
      : {
          label: 'Approve',
          action: 'approve',
          style: 'primary',
          value,
          confirm: {
            title: 'Let it run?',
            text: 'It runs at once, on the connection that waits for it.',
            yes: 'Approve',
          },
        },
    ...(asks.approve === 'here' ? sameAgain(asks.shape, value) : []),
    { label: 'Deny…', action: 'deny', style: 'danger', value },
    { label: 'Details', action: 'record', url: message.reviewUrl },
  ];
}

/** Says in words what may run again; what does not fit is approved in the console. */
function sameAgain(shape: Asks['shape'], value: string): readonly Button[] {
  if (!shape) return [];
  const { words, time } = shape;
  const text = `For ${time} the same person runs it again without asking: ${words}.`;
  if (text.length > CONFIRM_MAX) return [];
  return [
    {
      label: `Approve this and the same for ${time}`,
      action: 'approve-shape',
      value,
      confirm: { title: 'Let it run, now and again?', text, yes: 'Approve both' },
    },
  ];
}
