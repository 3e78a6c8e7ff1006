import type { Button, Line, Part, Post, Span } from '../model.ts';

/** An element or an action of Adaptive Cards 1.5: https://adaptivecards.io/explorer/ */
export type Element = { readonly type: string; readonly [key: string]: unknown };

export type Card = Element & { readonly type: 'AdaptiveCard'; readonly body: readonly Element[] };

/** What Teams takes as a message. */
export type Message = {
  readonly type: 'message';
  readonly summary: string;
  readonly attachments: readonly { readonly contentType: string; readonly content: Card }[];
};

export const CARD_TYPE = 'application/vnd.microsoft.card.adaptive';
/** Older clients refuse more than 40 KB, counted in ways that are not documented. */
const MESSAGE_MAX = 32_000;
/** Teams shows no more actions of one set. */
const ACTIONS_MAX = 6;
const DATE = new Intl.DateTimeFormat('en-GB', {
  dateStyle: 'medium',
  timeStyle: 'short',
  timeZone: 'UTC',
});

export const fits = (message: Message): boolean => sizeOf(message) <= MESSAGE_MAX;

const sizeOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

export function messageOf(post: Post, look: Look = {}): Message {
  return {
    type: 'message',
    summary: post.summary.slice(0, 500),
    attachments: [{ contentType: CARD_TYPE, content: cardOf(post, look) }],
  };
}

/** `more` stands below what is said. Without `dialogs` the client opens none, and forms come as cards. */
export type Look = { readonly more?: readonly Element[]; readonly dialogs?: boolean };

/** Pictures stand for themselves as long as there is room for them; what they show is said beside. */
export function cardOf(post: Post, look: Look = {}): Card {
  const whole = card(post, look, true);
  return sizeOf(whole) <= MESSAGE_MAX ? whole : card(post, look, false);
}

function card(post: Post, { more = [], dialogs = true }: Look, pictures: boolean): Card {
  const title = post.title ?? (post.parts.length === 0 ? post.summary : undefined);
  return {
    type: 'AdaptiveCard',
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    version: '1.5',
    // What a client shows that cannot show the card, and what a screen reader says of it first.
    fallbackText: post.summary,
    msteams: { width: 'Full' },
    body: [
      ...(title === undefined ? [] : [titleOf(title, post.title !== undefined)]),
      ...post.parts.flatMap((part) => elementsOf(part, { pictures, dialogs })),
      ...more,
    ],
  };
}

const titleOf = (text: string, large: boolean): Element =>
  rich(literal(text, large ? { size: 'Large', weight: 'Bolder' } : {}));

export function elementsOf(
  part: Part,
  { pictures, dialogs } = { pictures: true, dialogs: true },
): readonly Element[] {
  switch (part.kind) {
    case 'text':
      return [rich(runsOf(part.line))];
    case 'facts':
      return part.facts.map(({ label, text }) => ({
        ...rich([...literal(`${label}: `, { weight: 'Bolder' }), ...literal(text)]),
        spacing: 'Small',
      }));
    case 'code':
      return [codeOf(part.text)];
    case 'list':
      return part.items.map((item) => ({
        ...rich([run('• '), ...runsOf(item)]),
        spacing: 'Small',
      }));
    case 'note':
      return [
        rich(runsOf(part.line).map((inline) => ({ ...inline, size: 'Small', isSubtle: true }))),
      ];
    case 'image':
      return pictures
        ? [
            {
              type: 'Image',
              url: `data:image/png;base64,${part.png}`,
              altText: part.alt,
              size: 'Stretch',
            },
          ]
        : [rich(literal(part.alt))];
    case 'buttons':
      return actionSets(part.buttons.map((button) => actionOf(button, dialogs)));
    default:
      return part satisfies never;
  }
}

/** No element but this takes text as it is: a TextBlock, or a fact, reads markdown. */
function rich(inlines: readonly Element[]): Element {
  return { type: 'RichTextBlock', inlines: inlines.length === 0 ? [run(' ')] : inlines };
}

const run = (text: string): Element => ({ type: 'TextRun', text });

/** Clients replace `{{DATE(…)}}` and `{{TIME(…)}}` in any text, but not across two runs. */
function literal(text: string, style: Readonly<Record<string, unknown>> = {}): readonly Element[] {
  return text
    .split(/(?<=\{)(?=\{)/u)
    .filter((piece) => piece !== '')
    .map((piece) => ({ ...run(piece), ...style }));
}

const runsOf = (line: Line): readonly Element[] => line.flatMap((span) => spanRuns(span));

function spanRuns(span: Span | string): readonly Element[] {
  if (typeof span === 'string') return literal(span);
  const { text, style, link, at } = span;
  if (at !== undefined) return literal(timeOf(at) ?? text);
  return literal(text, {
    ...(style === 'bold' && { weight: 'Bolder' }),
    ...(style === 'code' && { fontType: 'Monospace' }),
    ...(link !== undefined && {
      color: 'Accent',
      selectAction: { type: 'Action.OpenUrl', url: link },
    }),
  });
}

/** `22 Nov 2026, 13:05 UTC`: runs cannot say it in the reader's own zone. */
function timeOf(at: string): string | undefined {
  const time = Date.parse(at);
  return Number.isNaN(time) ? undefined : `${DATE.format(time)} UTC`;
}

/** A line of the text is a line of the card, and blanks stay what they are: clients would run them together. */
function codeOf(text: string): Element {
  const lines = text.split('\n').map((line, at) => ({
    ...rich(literal(blanks(line), { fontType: 'Monospace' })),
    spacing: at === 0 ? 'Default' : 'None',
  }));
  return { type: 'Container', style: 'emphasis', items: lines };
}

const blanks = (line: string): string =>
  line.replaceAll('\t', '\u00a0'.repeat(4)).replaceAll(/^ | (?= )/gu, '\u00a0');

export function actionSets(actions: readonly Element[]): readonly Element[] {
  const sets = Math.ceil(actions.length / ACTIONS_MAX);
  return Array.from({ length: sets }, (_, at) => ({
    type: 'ActionSet',
    actions: actions.slice(at * ACTIONS_MAX, (at + 1) * ACTIONS_MAX),
  }));
}

function actionOf(button: Button, dialogs: boolean): Element {
  const shown = {
    title: button.label,
    ...(button.hint !== undefined && { tooltip: button.hint }),
    ...(button.style && { style: button.style === 'primary' ? 'positive' : 'destructive' }),
  };
  if ('url' in button) return { type: 'Action.OpenUrl', ...shown, url: button.url };
  const { action, value, confirm } = button;
  if (!confirm)
    return button.opens && dialogs ? opening(shown, action, value) : acting(shown, action, value);
  const asked: Post = {
    summary: confirm.title,
    title: confirm.title,
    parts: [{ kind: 'text', line: [confirm.text] }],
  };
  const yes = acting({ ...shown, title: confirm.yes }, action, value);
  // Cards cannot ask back; what a button unfolds can.
  const { body } = card(asked, { more: actionSets([yes]) }, false);
  return {
    type: 'Action.ShowCard',
    ...shown,
    card: { type: 'AdaptiveCard', version: '1.5', body },
  };
}

type Shown = Readonly<Record<string, unknown>>;

/** Clients that do not know Action.Execute send the same as a message. */
export function acting(shown: Shown, action: string, value: string): Element {
  const data = { action, value };
  return {
    type: 'Action.Execute',
    verb: action,
    ...shown,
    data,
    fallback: { type: 'Action.Submit', ...shown, data },
  };
}

/** Teams must know beforehand that a dialog follows. */
function opening(shown: Shown, action: string, value: string): Element {
  return {
    type: 'Action.Submit',
    ...shown,
    data: { msteams: { type: 'task/fetch' }, action, value },
  };
}
