import { createHash } from 'node:crypto';
import type { Card, Decision, HandOver, Outcome, Request } from '#src/approval/request.ts';
import { lengthOf } from '#src/approval/access.ts';
import { inTurns, timeText } from '#src/policy/words.ts';
import { duration, fit, oneLine, visible } from './text.ts';
import { type Fact, toldFacts } from './told.ts';

const FACT_MAX = 300;
const QUESTIONS_SHOWN = 3;

export type { Fact } from './told.ts';

type Told = { readonly text: string; readonly at: string };

/** What a card says, on any platform. Every text is literal: platforms escape it in their own way. */
export type Message = {
  readonly request: string;
  readonly version: number;
  readonly title: string;
  /** For notifications and screen readers; holds nothing of the statement. */
  readonly summary: string;
  readonly facts: readonly Fact[];
  /** Absent where a role is asked for. */
  readonly statement?: string;
  readonly warnings: readonly string[];
  /** What was asked about it last, and answered; `answered` counts all answers. */
  readonly questions: readonly Told[];
  readonly answered: number;
  readonly history: readonly Told[];
  readonly outcome?: string;
  /** Present while somebody can decide. */
  readonly asks?: {
    readonly expiresAt: string;
    /** `here`: with a button; `form`: with a reason; `console`: only there, and `why`. */
    readonly approve: 'here' | 'form' | 'console';
    readonly why: readonly string[];
    /** What an approval lets happen; of a role, it may be for a shorter time. */
    readonly allows: { readonly title: string; readonly text: string; readonly shorter: boolean };
    /** Reactions vote on this card. */
    readonly reactions: boolean;
    /** Approving may also let the same run again: what, and for how long. */
    readonly shape?: { readonly words: string; readonly time: string };
  };
  /** A role that was granted, and has not ended. */
  readonly grant?: 'open';
  readonly reviewUrl: string;
  readonly recordUrl: string;
};

const TITLES: Record<Request['state'], string> = {
  pending: 'Approval needed',
  approved: 'Approved, about to run',
  granted: 'Granted',
  running: 'Approved, running',
  done: 'Approved and run',
  unknown: 'Approved, outcome unknown',
  denied: 'Denied',
  expired: 'Expired',
  withdrawn: 'Withdrawn by the requester',
  abandoned: 'Abandoned: the gateway went away',
  changed: 'Ended: the statement changed',
  refused: 'Ended: the rules changed',
};

/**
 * The card of a request, with at most `statementMax` characters of the statement. What does not fit is counted, said in
 * `warnings`, and moves Approve to the console.
 */
export function messageOf(request: Request, publicUrl: string, statementMax: number): Message {
  const { card, requirement } = request;
  const statement = fit(visible(card.masked), statementMax);
  const facts = factsOf(request).map((fact) => ({ ...fact, ...fit(oneLine(fact.text), FACT_MAX) }));
  const cut = statement.cut + facts.reduce((sum, fact) => sum + fact.cut, 0);
  const why = [
    ...(cut > 0 ? [`${cut} characters do not fit here`] : []),
    ...(card.hidesWrite ? ['part of what it writes is hidden here'] : []),
    ...(requirement.stepUpMs === undefined ? [] : ['the rule asks for a fresh sign-in']),
  ];
  const title = `${titleOf(request)}: ${oneLine(card.target)}`;
  const asks = asksOf(request, why);
  return {
    request: request.id,
    version: request.version,
    title,
    summary: `${title}, asked by ${oneLine(card.person.name)} (${oneLine(card.person.email)})`,
    facts: facts.map(({ label, text, cut: lost }) => ({
      label,
      text: lost > 0 ? `${text}… (${lost} more characters in the console)` : text,
    })),
    ...(card.access ? {} : { statement: statement.text }),
    warnings: warningsOf(card, statement.cut),
    // The thread under the card has all of them; a card that is full has none.
    questions: questionsOf(request, statementMax > 0 ? QUESTIONS_SHOWN : 0),
    answered: request.questions?.filter(({ answer }) => answer !== undefined).length ?? 0,
    history: historyOf(request),
    ...(request.outcome ? { outcome: outcomeText(request.outcome) } : {}),
    ...(asks && { asks }),
    ...(request.grant && request.grant.state !== 'ended' ? { grant: 'open' as const } : {}),
    reviewUrl: `${publicUrl}/requests/${request.id}`,
    recordUrl: `${publicUrl}/records/${request.record}`,
  };
}

/** What waits for the fresh sign-in of whoever asked is not for others to decide. `why`: what only the console can do. */
function asksOf(request: Request, why: readonly string[]): Message['asks'] {
  const { state, requirement, card, expiresAt } = request;
  if (state !== 'pending' || requirement.groups.length === 0) return undefined;
  const here = requirement.reasonRequired ? 'form' : 'here';
  return {
    expiresAt,
    approve: why.length > 0 ? 'console' : here,
    why,
    allows: allowed(card),
    reactions: why.length === 0 && requirement.reactionsVote,
    ...(card.shape && {
      shape: { words: oneLine(card.shape.words), time: duration(card.shape.ms) },
    }),
  };
}

/** Digest of all that an approver reads before they vote; what others voted meanwhile is not in it. */
export function readOf({ statement, facts, warnings, answered }: Message): string {
  const read = [statement ?? null, facts, warnings, answered];
  return createHash('sha256').update(JSON.stringify(read)).digest('hex');
}

/** What an approval lets happen, as the button asks once more. */
function allowed({ access, person, target }: Card): NonNullable<Message['asks']>['allows'] {
  if (!access)
    return {
      title: 'Let it run?',
      text: 'It runs at once, on the connection that waits for it.',
      shorter: false,
    };
  const starts = {
    use: 'It begins with the first use.',
    approval: 'It begins at once.',
  }[access.start];
  const who = fit(oneLine(person.name), 60).text;
  const role = fit(oneLine(access.role), 60).text;
  const where = fit(oneLine(target), 60).text;
  return {
    title: 'Grant the role?',
    text: `${who} gets the role ${role} on ${where} for ${lengthOf(access.durationMs)}. ${starts ?? 'It begins at the time that was asked for.'}`,
    shorter: true,
  };
}

/** Breaking the glass is said aloud, whatever has become of it. */
function titleOf({ kind, state }: Request): string {
  if (kind !== 'break-glass') return TITLES[state];
  return state === 'granted' ? 'Glass broken' : `Break-glass, ${TITLES[state].toLowerCase()}`;
}

const minute = (at: string | undefined, unknown: string): string =>
  at === undefined ? unknown : `${at.slice(0, 16).replace('T', ' ')} UTC`;

/** What becomes of a role that was granted. */
function grantFact({ grant }: Request): readonly Fact[] {
  if (!grant) return [];
  const { state, startsAt, endsAt, endedAt, endedWhy, useBy, reviewedBy } = grant;
  const texts = {
    waiting: `begins with the first connection, until ${minute(useBy, 'then')}`,
    scheduled: `from ${minute(startsAt, 'then')} to ${minute(endsAt, 'its end')}`,
    live: `since ${minute(startsAt, 'now')}, until ${minute(endsAt, 'its end')}`,
    ended: `ended ${minute(endedAt ?? endsAt, '')}${endedWhy === undefined ? '' : `: ${endedWhy}`}`,
  };
  return [
    { label: 'Grant', text: texts[state] },
    ...(grant.kind === 'break-glass'
      ? [
          {
            label: 'Review',
            text: reviewedBy === undefined ? 'not reviewed yet' : `by ${reviewedBy}`,
          },
        ]
      : []),
  ];
}

/** In the place of a statement's effect, rows and digest. */
function roleFacts(request: Request): readonly Fact[] {
  const { card } = request;
  return [
    { label: 'Where', text: card.target },
    { label: 'Asks for', text: card.words.join('; ') },
    ...grantFact(request),
  ];
}

function factsOf(request: Request): readonly Fact[] {
  const { card, requirement } = request;
  const { person } = card;
  const approvers = inTurns(requirement.groups, ({ group, quorum }) =>
    quorum > 1 ? `${quorum} of ${group}` : group,
  );
  return [
    {
      label: 'Who',
      text: `${person.name} (${person.email}), ${person.groups.join(', ') || 'in no group'}`,
    },
    ...(card.agent === undefined ? [] : [{ label: 'Through agent', text: card.agent }]),
    ...(card.access
      ? roleFacts(request)
      : [{ label: 'Where', text: `${card.target}, database ${card.database}` }]),
    {
      label: 'From',
      text: card.application === '' ? card.client : `${card.client} (${card.application})`,
    },
    ...(card.access
      ? []
      : [{ label: 'Effect', text: card.words.join('; ') }, ...toldFacts(request)]),
    {
      label: 'Rule',
      text: [card.rules.join(', '), card.message].filter((text) => text !== '').join(': '),
    },
    { label: 'Reason given', text: card.reason ?? 'none' },
    ...(approvers === '' ? [] : [{ label: 'Decided by', text: approvers }]),
    ...(card.access ? [] : [{ label: 'Digest', text: card.digest }]),
  ];
}

function warningsOf(card: Card, cut: number): readonly string[] {
  const open = card.transactionOpenMs;
  return [
    ...(cut > 0
      ? [`The statement is longer than shown: ${cut} more characters are in the console.`]
      : []),
    ...(open === undefined
      ? []
      : [`Its transaction had been open for ${duration(open)} and holds locks while this waits.`]),
  ];
}

function questionsOf({ questions = [] }: Request, most: number): readonly Told[] {
  const shown = questions.slice(Math.max(0, questions.length - most));
  const more = questions.length - shown.length;
  const first = questions.at(0);
  return [
    ...(first && more > 0
      ? [
          {
            text: `${more} more ${more === 1 ? 'question' : 'questions'} in the thread`,
            at: first.at,
          },
        ]
      : []),
    ...shown.flatMap(({ text, person, at, answer }) => [
      { text: cutLine(`Question by ${person}: ${text}`), at },
      ...(answer ? [{ text: cutLine(`Answer: ${answer.text}`), at: answer.at }] : []),
    ]),
  ];
}

function historyOf({ decisions, handedOver = [], escalated = [] }: Request): readonly Told[] {
  return [
    ...escalated.map(({ of, group, afterMs, at }) => ({
      text: cutLine(
        `Escalated: ${of} has not agreed in ${timeText(afterMs)}, so ${group} may decide as well`,
      ),
      at,
    })),
    ...decisions.map((one) => ({ text: decisionLine(one), at: one.at })),
    ...handedOver.map((one) => ({ text: handOverLine(one), at: one.at })),
  ].toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at));
}

const handOverLine = ({ group, person, agrees }: HandOver): string =>
  cutLine(
    agrees
      ? `Handed over by ${person}: ${group} has to agree as well`
      : `${group} was told by ${person}`,
  );

function decisionLine(decision: Decision): string {
  const again = decision.shape ? ', and the same again' : '';
  const shorter =
    decision.durationMs === undefined ? '' : `, for at most ${lengthOf(decision.durationMs)}`;
  const verb = decision.decision === 'approve' ? `Approved${again}${shorter}` : 'Denied';
  const reason = decision.reason === '' ? '' : `: ${decision.reason}`;
  const by = decision.reaction ? `${decision.via}, with a reaction` : decision.via;
  const stands = decision.standsFor === undefined ? '' : `, for ${decision.standsFor} who is away`;
  return cutLine(`${verb} by ${decision.person} (${decision.group}${stands}) via ${by}${reason}`);
}

function cutLine(line: string): string {
  const { text, cut } = fit(oneLine(line), FACT_MAX);
  return cut > 0 ? `${text}… (${cut} more characters in the console)` : text;
}

function outcomeText(outcome: Outcome): string {
  const parts = [
    outcome.ok
      ? 'Ran'
      : `Failed${outcome.code === undefined ? '' : ` with ${oneLine(outcome.code)}`}`,
    ...(outcome.rows === undefined
      ? []
      : [`${outcome.rows} ${outcome.rows === 1 ? 'row' : 'rows'}`]),
    ...(outcome.durationMs === undefined ? [] : [duration(outcome.durationMs)]),
  ];
  return parts.join(', ');
}
