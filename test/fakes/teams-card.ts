import { z } from 'zod';

/** What Adaptive Cards 1.5 knows of what is used here; whatever else is in a card is a mistake. */
const text = z.string().min(1);
const spacing = z.enum(['None', 'Small', 'Default']).optional();
const OpenUrl = z.strictObject({
  type: z.literal('Action.OpenUrl'),
  title: z.string().optional(),
  tooltip: z.string().optional(),
  style: z.enum(['default', 'positive', 'destructive']).optional(),
  url: z.url(),
});
const shown = {
  title: text.max(100),
  tooltip: text.optional(),
  style: z.enum(['default', 'positive', 'destructive']).optional(),
};
const Submit = z.strictObject({
  type: z.literal('Action.Submit'),
  ...shown,
  data: z.record(z.string(), z.unknown()),
});
const Execute = z.strictObject({
  type: z.literal('Action.Execute'),
  verb: text,
  ...shown,
  data: z.record(z.string(), z.unknown()),
  associatedInputs: z.literal('none').optional(),
  fallback: Submit,
});
const ShowCard = z.strictObject({
  type: z.literal('Action.ShowCard'),
  ...shown,
  get card() {
    return z.strictObject({
      type: z.literal('AdaptiveCard'),
      version: z.literal('1.5'),
      body: z.array(Element),
    });
  },
});
const TextRun = z.strictObject({
  type: z.literal('TextRun'),
  text,
  size: z.enum(['Small', 'Large']).optional(),
  weight: z.literal('Bolder').optional(),
  color: z.literal('Accent').optional(),
  isSubtle: z.literal(true).optional(),
  fontType: z.literal('Monospace').optional(),
  selectAction: OpenUrl.optional(),
});
const input = { id: text, label: text, isRequired: z.boolean(), errorMessage: text };
const Element: z.ZodType = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('RichTextBlock'), inlines: z.array(TextRun).min(1), spacing }),
  z.strictObject({
    type: z.literal('Container'),
    style: z.enum(['emphasis', 'attention']),
    get items() {
      return z.array(Element).min(1);
    },
  }),
  z.strictObject({
    type: z.literal('Image'),
    url: z.string().regex(/^data:image\/png;base64,[A-Za-z0-9+/]+=*$/),
    altText: text,
    size: z.literal('Stretch'),
  }),
  z.strictObject({
    type: z.literal('ActionSet'),
    get actions() {
      return z
        .array(z.discriminatedUnion('type', [OpenUrl, Submit, Execute, ShowCard]))
        .min(1)
        .max(6);
    },
  }),
  z.strictObject({
    type: z.literal('Input.Text'),
    ...input,
    maxLength: z.number().int().positive(),
    isMultiline: z.boolean(),
    value: z.string().optional(),
  }),
  z.strictObject({
    type: z.literal('Input.ChoiceSet'),
    ...input,
    choices: z.array(z.strictObject({ title: text, value: z.string() })).max(100),
    value: z.string().optional(),
    style: z.literal('filtered').optional(),
    'choices.data': z.strictObject({ type: z.literal('Data.Query'), dataset: text }).optional(),
  }),
  z.strictObject({
    type: z.literal('Input.Date'),
    ...input,
    value: z
      .string()
      .regex(/^\d{4}-\d\d-\d\d$/)
      .optional(),
  }),
  z.strictObject({
    type: z.literal('Input.Time'),
    ...input,
    value: z
      .string()
      .regex(/^\d\d:\d\d$/)
      .optional(),
  }),
]);
const Card = z.strictObject({
  type: z.literal('AdaptiveCard'),
  $schema: z.literal('http://adaptivecards.io/schemas/adaptive-card.json'),
  version: z.literal('1.5'),
  fallbackText: z.string(),
  msteams: z.strictObject({ width: z.literal('Full') }),
  body: z.array(Element).min(1),
});

/** What is wrong with a card; empty when nothing is. */
export function checkCard(card: unknown): readonly string[] {
  const read = Card.safeParse(card);
  const size = Buffer.byteLength(JSON.stringify(card) ?? '');
  return [
    ...(read.success
      ? []
      : read.error.issues.map((one) => `${one.path.join('.')}: ${one.message}`)),
    ...(size > 40_000 ? [`it has ${size} bytes`] : []),
  ];
}

type Node = { readonly [key: string]: unknown };
const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null;

/** All parts of a card that have a type, in the order in which they are shown. */
export function* elements(value: unknown): Generator<Node & { readonly type: string }> {
  if (!isNode(value)) return;
  const { type } = value;
  if (typeof type === 'string') yield { ...value, type };
  for (const [name, child] of Object.entries(value))
    if (name !== 'fallback') yield* elements(child);
}

/** What is read on a card: each line of it, then the labels of its inputs and buttons. */
export function readCard(card: unknown): string {
  return [...elements(card)]
    .flatMap((one) => {
      if (one.type === 'RichTextBlock' && Array.isArray(one['inlines']))
        return [one['inlines'].map((run: { readonly text?: string }) => run.text ?? '').join('')];
      const label = one['title'] ?? one['label'];
      return typeof label === 'string' ? [`[${label}]`] : [];
    })
    .join('\n');
}

/** The button with this title; a confirmation is passed over to the button inside. */
export function buttonOf(card: unknown, title: string): Node {
  const found = [...elements(card)].filter((one) => one['title'] === title);
  const button = found.find((one) => one.type !== 'Action.ShowCard') ?? inside(found[0]);
  if (!button) throw new Error(`no button ${title} on\n${readCard(card)}`);
  return button;
}

const inside = (folded: Node | undefined): Node | undefined =>
  [...elements(folded?.['card'])].find((one) => one.type === 'Action.Execute');
