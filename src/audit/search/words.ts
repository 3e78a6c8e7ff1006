/** How the values of a qualifier are written and compared. */
export type QualifierType = 'name' | 'word' | 'list' | 'uuid' | 'code' | 'number' | 'length';

export type Qualifier = {
  readonly type: QualifierType;
  /** What it looks at, for people. */
  readonly about: string;
  readonly example: string;
  /** All that can be asked for; anything else is an error with a suggestion. */
  readonly words?: readonly string[];
  /** Other ways to write a word. */
  readonly also?: Readonly<Record<string, string>>;
};

const VERDICTS = ['allow', 'hold', 'deny', 'approved'];
const DECISIONS = [
  'approved',
  'denied',
  'expired',
  'withdrawn',
  'abandoned',
  'changed',
  'refused',
  'waiting',
];

/** Kinds of records that have a row of their own; what belongs to a statement is in the statement's row. */
export const KINDS = [
  'statement',
  'decision',
  'request',
  'session-start',
  'session-end',
  'sign-in',
  'sign-out',
  'person',
  'group',
  'token',
  'policy',
  'look',
  'grant',
  'erasure',
  'legal-hold',
  'writer',
  'recovery',
] as const;

/** In the order of the reference page. */
export const QUALIFIERS = {
  person: {
    type: 'name',
    about: 'Who acted. Without an `@`, the part before it is enough.',
    example: 'person:engineer',
  },
  agent: { type: 'name', about: 'The agent that acted for a person.', example: 'agent:reporting*' },
  target: {
    type: 'name',
    about: 'Where, by the name in the configuration.',
    example: 'target:prod-*',
  },
  kind: {
    type: 'word',
    about: 'What sort of act it was.',
    example: 'kind:statement',
    words: KINDS,
  },
  verdict: {
    type: 'word',
    about: 'What the rules said; `approved` for what ran on an approval.',
    example: 'verdict:held',
    words: VERDICTS,
    also: { allowed: 'allow', held: 'hold', denied: 'deny' },
  },
  decision: {
    type: 'word',
    about: 'How a hold ended; `waiting` while it has not.',
    example: 'decision:expired',
    words: DECISIONS,
  },
  'decided-by': {
    type: 'name',
    about: 'Who approved or denied it.',
    example: 'decided-by:approver',
  },
  effect: {
    type: 'list',
    about:
      'What it does: `read`, `write`, `delete`, `define`, `administer`, `execute`, or the class of the statement, such as `update`.',
    example: 'effect:delete',
  },
  table: {
    type: 'list',
    about: 'A table that it names; with a schema when there is a dot.',
    example: 'table:orders',
  },
  masked: {
    type: 'list',
    about:
      'What was hidden: a column, with its table when there is a dot, a way of masking, or a kind that detectors know.',
    example: 'masked:card',
  },
  rows: { type: 'number', about: 'Rows that it returned or changed.', example: 'rows:>100' },
  duration: { type: 'length', about: 'How long it ran.', example: 'duration:>1s' },
  waited: { type: 'length', about: 'How long it waited for a decision.', example: 'waited:>15m' },
  error: { type: 'code', about: 'The error that it ended with.', example: 'error:42501' },
  client: { type: 'code', about: 'The address that it came from.', example: 'client:10.1.*' },
  session: {
    type: 'uuid',
    about: 'A session, by its id.',
    example: 'session:0199c0de-0000-7000-8000-000000000000',
  },
  statement: {
    type: 'uuid',
    about: 'A statement, by its id.',
    example: 'statement:0199c0de-0000-7000-8000-000000000000',
  },
  request: {
    type: 'uuid',
    about: 'A request, by its id.',
    example: 'request:0199c0de-0000-7000-8000-000000000000',
  },
  record: {
    type: 'uuid',
    about: 'One record, by its id.',
    example: 'record:0199c0de-0000-7000-8000-000000000000',
  },
} as const satisfies Readonly<Record<string, Qualifier>>;

export type QualifierName = keyof typeof QUALIFIERS;

/** Where time begins and ends; they stand beside the qualifiers because they cannot be negated. */
export const TIMES = {
  after: { about: 'Not before this time.', example: 'after:7d' },
  before: { about: 'Before this time.', example: 'before:2026-11-20' },
} as const;

export const isQualifier = (name: string): name is QualifierName => Object.hasOwn(QUALIFIERS, name);

/** What is searched when a query says nothing of time. */
export const DEFAULT_DAYS = 30;
