import { AlreadyAsked, lengthOf } from '#src/approval/access.ts';
import type { GrantFilter } from '#src/approval/grants.ts';
import type { Grant, Request } from '#src/approval/request.ts';
import type { StepUp } from '#src/approval/step-up.ts';
import { authority } from '#src/approval/tally.ts';
import { personKey } from '#src/identity/people.ts';
import type { Person } from '#src/identity/person.ts';
import { portable } from '#src/mask/engine.ts';
import type { AccessTerms } from '#src/policy/verdict.ts';
import { minutesOf, type RoleAccess } from '../roles.ts';
import { demandScope, type Caller } from './authenticate.ts';
import type { HttpDeps } from './deps.ts';
import { notFound, Problem, refused } from './problem.ts';
import type { Via } from './reading.ts';
import { mayAdminister, maySeeRequest, WATCH_REQUESTS } from './rights.ts';

/** What somebody wants. */
export type Asking = {
  readonly kind: 'access' | 'break-glass';
  readonly target: string;
  readonly role: string;
  /** Undefined: as long as the rules let it last. */
  readonly durationMs?: number;
  /** ISO 8601; undefined: as the rules say. */
  readonly startsAt?: string;
  readonly reason: string;
};

const GLASS_WORDS = 10;
/** Of a review: a sentence. */
export const REVIEW_MIN = 20;
const MOST_PENDING = 5;
const AHEAD_MS = 30 * 86_400_000;

/** What asking for roles needs, in the console, the API and chat. */
export type AskingDeps = Pick<HttpDeps, 'requests' | 'access' | 'audit' | 'publicUrl'>;

export function accessOf({ access }: Pick<HttpDeps, 'access'>): RoleAccess {
  if (!access) throw notFound('role');
  return access;
}

const problem = (code: string, message: string): Problem => new Problem(422, code, message);

/** Asks for a role, or breaks the glass for it. Throws the problem that says why not; a refusal is recorded. */
export async function ask(
  deps: AskingDeps,
  caller: Caller,
  asking: Asking,
  from: { readonly via: Via; readonly address: string },
): Promise<Request> {
  const { person } = caller;
  if (caller.agent !== undefined)
    throw new Problem(403, 'agent', 'An agent has the roles of its person: the person has to ask.');
  const { kind, target, role, reason } = asking;
  const access = accessOf(deps);
  const { rules } = access;
  const action = kind === 'access' ? 'request' : kind;
  const judge = (minutes?: number) =>
    rules.judge(person, target, action, { role, reason, ...(minutes && { minutes }) });
  const first = await judge(asking.durationMs && minutesOf(asking.durationMs));
  const durationMs = asking.durationMs ?? (first.kind === 'deny' ? 0 : first.terms.longestMs);
  // A rule may ask how long: so it is asked with the time that it will be.
  const said = asking.durationMs === undefined ? await judge(minutesOf(durationMs)) : first;
  if (said.kind === 'deny') {
    deps.audit.later({
      kind: 'request',
      person: person.email,
      target,
      verdict: 'deny',
      body: { event: 'not-permitted', kind, role, reason, rules: said.rules, via: from.via },
    });
    throw new Problem(403, 'not-permitted', `${said.message}.`);
  }
  check(asking, said.terms, durationMs);
  await demandNoneOpen(deps, caller, asking);
  const asked = access.askAccess({
    kind,
    person,
    target,
    role,
    durationMs,
    reason,
    access: said,
    ...(asking.startsAt !== undefined && { startsAt: asking.startsAt }),
    policy: rules.version(),
    client: from.address,
    application: from.via,
  });
  return await asked.catch((error: unknown) => {
    throw error instanceof AlreadyAsked ? alreadyAsked(deps, error.request) : error;
  });
}

const alreadyAsked = ({ publicUrl }: AskingDeps, id: string): Problem =>
  new Problem(
    409,
    'already-asked',
    `You have asked for this role already: ${publicUrl}/requests/${id}`,
  );

/** What the terms of the rules ask of who asks. */
function check(asking: Asking, terms: AccessTerms, durationMs: number): void {
  const { role, target, reason, kind, startsAt } = asking;
  if (durationMs > terms.longestMs)
    throw problem(
      'too-long',
      `The role ${role} on ${target} lasts at most ${lengthOf(terms.longestMs)}. Ask for less.`,
    );
  if (terms.reasonRequired && reason.trim() === '')
    throw problem('reason-required', 'The rule asks for a reason: say what you need the role for.');
  if (kind === 'break-glass' && wordsOf(reason).length < GLASS_WORDS)
    throw problem(
      'reason-required',
      `Breaking the glass needs a reason of at least ${GLASS_WORDS} words: say what is broken and what you will do.`,
    );
  for (const ticket of terms.tickets)
    if (!namesTicket(reason, ticket))
      throw problem('ticket-required', `The reason has to name a ticket, written as ${ticket}.`);
  if (startsAt === undefined) return;
  const ahead = Date.parse(startsAt) - Date.now();
  if (kind === 'break-glass')
    throw problem('not-valid', 'Breaking the glass is for now: leave out when it starts.');
  if (!(ahead > -60_000 && ahead <= AHEAD_MS))
    throw problem('not-valid', 'The start has to be a time of the next 30 days.');
}

const wordsOf = (text: string): readonly string[] => [
  ...new Set(text.toLowerCase().match(/[\p{L}\p{N}][\p{L}\p{N}'’-]*/gu)),
];

/** Some whole word of the reason is one. */
function namesTicket(reason: string, pattern: string): boolean {
  const matches = portable.compile(pattern);
  return reason.split(/[\s,;:()[\]]+/u).some((written) => {
    const word = written.replace(/[.!?]+$/u, '');
    return word !== '' && matches(word)?.end === word.length;
  });
}

async function demandNoneOpen(
  deps: AskingDeps,
  { person }: Caller,
  { target, role }: Asking,
): Promise<void> {
  const waiting = await deps.requests.list({
    states: ['pending'],
    visibleTo: { ...person, groups: [] },
  });
  const asked = waiting.filter(({ card }) => card.access !== undefined);
  const same = asked.find(({ card }) => card.target === target && card.access?.role === role);
  if (same) throw alreadyAsked(deps, same.id);
  if (asked.length >= MOST_PENDING)
    throw new Problem(
      409,
      'too-many',
      `${MOST_PENDING} of your requests wait already. Withdraw one, or wait for a decision.`,
    );
}

/** Takes back what one has asked for, as long as nobody has decided. */
export async function withdraw(deps: AskingDeps, caller: Caller, id: string): Promise<void> {
  const request = await deps.requests.get(id);
  if (!request || caller.agent !== undefined || !maySeeRequest(caller.person, request))
    throw notFound('request');
  if (personKey(request.card.person.email) !== personKey(caller.person.email))
    throw new Problem(403, 'not-yours', 'Only who asked withdraws a request; approvers deny it.');
  if (request.kind === 'statement')
    throw new Problem(
      409,
      'not-here',
      'A held statement is withdrawn where it waits: cancel it there.',
    );
  if (!(await deps.requests.end(id, 'withdrawn', 'whoever asked took it back')))
    throw new Problem(409, 'already-decided', `It is ${request.state} already.`);
}

/** Grants behind the caller's own fresh sign-in what they broke the glass for. */
export async function breakGlass(
  deps: AskingDeps,
  { person }: Caller,
  request: Request,
  stepUp: StepUp,
): Promise<void> {
  if (
    request.kind !== 'break-glass' ||
    personKey(request.card.person.email) !== personKey(person.email)
  )
    throw notFound('request');
  const access = accessOf(deps);
  const why = await access.rules.refusesRole(request);
  if (why !== undefined) {
    await deps.requests.end(request.id, 'refused', why);
    throw new Problem(403, 'not-permitted', `${why}.`);
  }
  const refusal = await access.breakGlass(request, stepUp);
  if (refusal) throw refused(refusal);
}

const inOneOf = (person: Person, groups: readonly string[]): boolean =>
  person.groups.some((group) => groups.includes(group));

/** Whoever has it, who could have approved it, who reviews it, and `security` and `oncall`. */
async function maySeeGrant(deps: AskingDeps, person: Person, grant: Grant): Promise<boolean> {
  if (personKey(grant.person) === personKey(person.email)) return true;
  if (inOneOf(person, [...grant.reviewers, ...WATCH_REQUESTS])) return true;
  const request = grant.request === undefined ? undefined : await deps.requests.get(grant.request);
  return request !== undefined && maySeeRequest(person, request);
}

/** Throws a 404 when there is none, or none that the person may see. */
export async function readGrant(deps: AskingDeps, person: Person, id: string): Promise<Grant> {
  const grant = await accessOf(deps).grants.get(id);
  if (!grant || !(await maySeeGrant(deps, person, grant))) throw notFound('grant');
  return grant;
}

/** Those that the person may see, newest first. */
export async function listGrants(
  deps: AskingDeps,
  person: Person,
  filter: GrantFilter,
): Promise<readonly Grant[]> {
  const found = await accessOf(deps).grants.list(filter);
  const seen = await Promise.all(found.map((grant) => maySeeGrant(deps, person, grant)));
  return found.filter((_, at) => seen[at]);
}

/** May they end it? One's own; who could have approved it or reviews it, and members of security. */
export function mayEndGrant(person: Person, grant: Grant, request: Request | undefined): boolean {
  if (personKey(grant.person) === personKey(person.email) || mayAdminister(person)) return true;
  if (person.machine) return false;
  // Nobody had to agree when glass was broken: who reads what was done may stop it.
  if (inOneOf(person, grant.reviewers)) return true;
  return request !== undefined && authority(request, person).length > 0;
}

/** Ends it at once, with the sessions in which it was live. */
export async function endGrant(
  deps: AskingDeps,
  caller: Caller,
  id: string,
  reason: string,
): Promise<Grant> {
  const { person } = caller;
  const grant = await readGrant(deps, person, id);
  const request = grant.request === undefined ? undefined : await deps.requests.get(grant.request);
  if (caller.agent !== undefined || !mayEndGrant(person, grant, request))
    throw new Problem(
      403,
      'not-yours',
      'Who has it, who could approve it or reviews it, and members of security end a grant.',
    );
  const own = personKey(grant.person) === personKey(person.email);
  if (!own) demandScope(caller.scopes, 'decide');
  if (!own && reason === '') throw problem('reason-required', 'Say why: its person reads it.');
  const why = own ? 'given back' : `ended by ${person.email}: ${reason}`;
  if (!(await accessOf(deps).grants.end(id, why, personKey(person.email))))
    throw new Problem(409, 'has-ended', 'The grant has ended already.');
  return readGrant(deps, person, id);
}

/** Files what somebody else found who read what was done under break-glass. */
export async function reviewGrant(
  deps: AskingDeps,
  caller: Caller,
  id: string,
  review: string,
): Promise<Grant> {
  const { person } = caller;
  const grant = await readGrant(deps, person, id);
  if (grant.kind !== 'break-glass')
    throw new Problem(409, 'no-review', 'Only break-glass is reviewed afterwards.');
  const reviewers = grant.reviewers.length > 0 ? grant.reviewers : ['security'];
  const own = personKey(grant.person) === personKey(person.email);
  if (own || caller.agent !== undefined || person.machine || !inOneOf(person, reviewers))
    throw new Problem(
      403,
      'not-a-reviewer',
      `It is reviewed by a member of ${reviewers.join(' or ')} other than who broke the glass.`,
    );
  if (grant.state !== 'ended')
    throw new Problem(
      409,
      'not-ended',
      'It is still open: end it, or wait until it has ended, then review it whole.',
    );
  if (review.trim().length < REVIEW_MIN)
    throw problem(
      'not-valid',
      `Say in a sentence or two what was done and whether it was right (${REVIEW_MIN} characters or more).`,
    );
  if (!(await accessOf(deps).grants.review(id, person.email, review)))
    throw new Problem(409, 'reviewed', 'It was reviewed already.');
  return readGrant(deps, person, id);
}
