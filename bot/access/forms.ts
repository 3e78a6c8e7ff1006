import { lengthOf } from '#src/approval/access.ts';
import type { Grant } from '#src/approval/request.ts';
import type { Field, Form, Part } from '../model.ts';
import type { Offered } from '../office.ts';
import { choiceOf, offerKey, termsOf } from './offers.ts';
import { bold, plain, roleOn, timesOf } from './words.ts';

/** What a select of every platform holds. */
const CHOICES_MAX = 100;
const HAVE_MAX = 10;
const REASON_MAX = 1_000;
export const REVIEW_MIN = 20;
export const LENGTH_HINT = 'A number and m, h or d: 45m, 2h.';

const MINUTE = 60_000;
const LENGTHS = [15, 30, 60, 120, 240, 480, 720, 1_440, 4_320, 10_080].map((m) => m * MINUTE);
const USUAL_MS = 60 * MINUTE;

const glassOf = (action: Offered['action']): boolean => action === 'break-glass';

/** First, what: everything that the person may ask for at this moment. */
export function pickForm(
  action: Offered['action'],
  offers: readonly Offered[],
  have: readonly Grant[],
): Form {
  const glass = glassOf(action);
  const what = { id: 'what', label: 'Target and role' };
  return {
    id: 'access-pick',
    title: glass ? 'Break the glass' : 'Ask for access',
    submit: 'Next',
    state: action,
    parts: havePart(have),
    fields: [
      offers.length <= CHOICES_MAX
        ? { ...what, kind: 'choice', choices: offers.map((offer) => choiceOf(offer, have)) }
        : { ...what, kind: 'search', source: glass ? 'access-glass' : 'access-offers' },
    ],
  };
}

/** What one has now, so that nobody asks for it again. */
function havePart(have: readonly Grant[]): readonly Part[] {
  if (have.length === 0) return [{ kind: 'note', line: ['You have no role for a time now.'] }];
  const left = have.length - HAVE_MAX;
  return [
    { kind: 'text', line: [bold('You have now')] },
    {
      kind: 'list',
      items: [
        ...have.slice(0, HAVE_MAX).map((grant) => [bold(roleOn(grant)), ', ', ...timesOf(grant)]),
        ...(left > 0 ? [[`and ${left} more`]] : []),
      ],
    },
  ];
}

/** Then, under which terms, as the rules have them for this role. */
export function termsForm(offer: Offered, have: readonly Grant[]): Form {
  const { access, action, target, role } = offer;
  const { terms } = access;
  const glass = glassOf(action);
  const own = have.find((grant) => grant.target === target && grant.role === role);
  return {
    id: 'access-terms',
    title: glass ? 'Break the glass' : 'Ask for access',
    submit: glass ? 'Break the glass' : 'Ask',
    state: offerKey(offer),
    parts: [
      {
        kind: 'facts',
        facts: [
          { label: 'Role', text: roleOn(offer) },
          { label: 'At most', text: lengthOf(terms.longestMs) },
          { label: 'Granted', text: termsOf(offer) },
          ...(own ? [{ label: 'You have it now', text: plain(timesOf(own)) }] : []),
        ],
      },
      ...(glass ? [WARNING] : []),
    ],
    fields: [
      lengthField(terms.longestMs),
      {
        id: 'own',
        kind: 'text',
        label: 'Or another time',
        hint: `${LENGTH_HINT} It is used in place of the choice above.`,
        max: 10,
        optional: true,
      },
      reasonField(offer),
      ...(glass ? [] : [startField(terms.start)]),
    ],
  };
}

const WARNING: Part = {
  kind: 'note',
  line: [
    'Everybody who approves, and whoever is on call, is told at once. Somebody else reviews afterwards what you did.',
  ],
};

function lengthField(longestMs: number): Field {
  const lengths = [...new Set([...LENGTHS.filter((ms) => ms < longestMs), longestMs])];
  return {
    id: 'duration',
    kind: 'choice',
    label: 'For how long',
    choices: lengths.map((ms) => ({ value: String(ms), label: lengthOf(ms) })),
    initial: String(Math.min(USUAL_MS, longestMs)),
  };
}

function reasonField({ access, action }: Offered): Field {
  const { tickets, reasonRequired } = access.terms;
  const glass = glassOf(action);
  const needed = glass || reasonRequired || tickets.length > 0;
  const hint = [
    glass
      ? 'At least ten words: what is broken, and what you will do.'
      : 'Approvers read it, and it is recorded.',
    ...tickets.map((ticket) => `It has to name a ticket, written as ${ticket}.`),
  ].join(' ');
  return {
    id: 'reason',
    kind: 'text',
    label: 'Reason',
    hint,
    lines: true,
    max: REASON_MAX,
    ...(!needed && { optional: true }),
  };
}

const startField = (start: 'use' | 'approval'): Field => ({
  id: 'start',
  kind: 'time',
  label: 'Start',
  hint:
    start === 'use'
      ? 'Left empty: with your first connection, within 24 hours of the approval.'
      : 'Left empty: at the approval.',
  optional: true,
});

/** Asks why a grant ends before its time. */
export const endForm = (grant: Grant): Form => ({
  id: 'access-end',
  title: 'End access',
  submit: 'End it now',
  state: grant.id,
  parts: [
    {
      kind: 'text',
      line: [
        bold(`${roleOn(grant)}, of ${grant.person}`),
        ': it ends at once, with the sessions in which it was live.',
      ],
    },
  ],
  fields: [
    {
      id: 'reason',
      kind: 'text',
      label: 'Reason',
      hint: 'Its person reads it, and it is recorded.',
      lines: true,
      max: REASON_MAX,
    },
  ],
});

/** Asks what was found in what was done under break-glass. */
export const reviewForm = (grant: Grant): Form => ({
  id: 'access-review',
  title: 'Review break-glass',
  submit: 'File the review',
  state: grant.id,
  parts: [
    {
      kind: 'text',
      line: [
        bold(`${roleOn(grant)}, taken by ${grant.person}`),
        '. Read the session first: the request in the console leads to it.',
      ],
    },
  ],
  fields: [
    {
      id: 'review',
      kind: 'text',
      label: 'What you found',
      hint: `What was done, and whether it was right: ${REVIEW_MIN} characters or more.`,
      lines: true,
      max: REASON_MAX,
    },
  ],
});
