import type { Button, Line, Part, Post } from '../model.ts';
import type { Message } from '../message.ts';

/** `cuts` is the most of a statement that is tried in turn, until the platform takes the card. */
export const STATEMENT_SIZES: readonly number[] = [3_000, 1_500, 500, 0];

const CONFIRM_MAX = 300;

/**
 * The card of a request: who, where, what, why it is held; with buttons as long as somebody can decide. `votes`: so do
 * reactions.
 */
export function cardPost(message: Message, votes: boolean): Post {
  const { asks } = message;
  const parts: readonly (Part | undefined)[] = [
    { kind: 'facts', facts: message.facts },
    message.statement === undefined ? undefined : { kind: 'code', text: message.statement },
    ...message.warnings.map((text): Part => said('Warning', text)),
    ...[...message.questions, ...message.history].map(({ text, at }): Part => ({
      kind: 'text',
      line: [`${text}, `, { text: at, at }],
    })),
    message.outcome === undefined ? undefined : said('Outcome', message.outcome),
    asks && expiry(asks, votes),
    asks && { kind: 'buttons', buttons: deciding(message, asks) },
    asks && { kind: 'buttons', buttons: talking(message) },
    message.grant && { kind: 'buttons', buttons: [endButton(message)] },
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

export const said = (label: string, ...line: Line): Part => ({
  kind: 'text',
  line: [{ text: `${label}: `, style: 'bold' }, ...line],
});

type Asks = NonNullable<Message['asks']>;

const expiry = ({ expiresAt, why }: Asks, votes: boolean): Part => ({
  kind: 'note',
  line: [
    'Expires ',
    { text: expiresAt, at: expiresAt },
    ...(why.length === 0 ? [] : [`. Approval is in the console: ${why.join('; ')}.`]),
    ...(votes ? ['. Reactions vote here.'] : []),
  ],
});

/** For who could have approved it; the desk of access takes it. */
const endButton = ({ request }: Message): Button => ({
  label: 'End access…',
  action: 'access-end',
  value: request,
  style: 'danger',
  opens: 'form',
  hint: 'End this access before its time',
});

const valueOf = ({ request, version }: Message): string => `${request}.${version}`;

function deciding(message: Message, asks: Asks): readonly Button[] {
  const value = valueOf(message);
  const { title, text, shorter } = asks.allows;
  const approve: Readonly<Record<Asks['approve'], readonly Button[]>> = {
    console: [
      { label: 'Review in console', action: 'review', style: 'primary', url: message.reviewUrl },
    ],
    form: [
      { label: 'Approve…', action: 'approve-form', style: 'primary', value, opens: 'form' },
      ...sameAgain(asks, value),
    ],
    here: [
      {
        label: 'Approve',
        action: 'approve',
        style: 'primary',
        value,
        confirm: { title, text, yes: 'Approve' },
      },
      ...(shorter
        ? [{ label: 'Approve for…', action: 'approve-form', value, opens: 'form' as const }]
        : []),
      ...sameAgain(asks, value),
    ],
  };
  return [
    ...approve[asks.approve],
    { label: 'Deny…', action: 'deny', style: 'danger', value, opens: 'form' },
  ];
}

/** Says in words what may run again; what does not fit is approved in the console. */
function sameAgain({ shape, approve }: Asks, value: string): readonly Button[] {
  if (!shape) return [];
  const { words, time } = shape;
  const text = `For ${time} the same person runs it again without asking: ${words}.`;
  if (text.length > CONFIRM_MAX) return [];
  const ask = { title: 'Let it run, now and again?', text, yes: 'Approve both' };
  return [
    {
      label: `Approve this and the same for ${time}${approve === 'form' ? '…' : ''}`,
      action: 'approve-shape',
      value,
      // A form asks by itself.
      ...(approve === 'here' ? { confirm: ask } : { opens: 'form' as const }),
    },
  ];
}

/** What can be done about it without deciding. */
function talking(message: Message): readonly Button[] {
  const value = valueOf(message);
  return [
    {
      label: 'Ask…',
      hint: 'Ask who wants this a question',
      action: 'request-ask',
      value,
      opens: 'form',
    },
    { label: 'Details', action: 'request-details', value },
    { label: 'Hand over…', action: 'request-hand-over', value, opens: 'form' },
    {
      label: 'Remind',
      hint: 'Remind the groups that have not agreed yet',
      action: 'request-remind',
      value,
    },
  ];
}
