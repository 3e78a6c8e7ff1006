import { parseDuration } from '#src/policy/duration.ts';
import type { Requests } from '#src/approval/port.ts';
import type { Request } from '#src/approval/request.ts';
import type { Act, Actor, Answer, FormAnswer } from '../desk.ts';
import type { Part } from '../model.ts';
import { notDone, type AccessOffice, type AskingRole, type Offered } from '../office.ts';
import { shownTo } from './follow.ts';
import { LENGTH_HINT, pickForm, termsForm } from './forms.ts';
import { offerKey } from './offers.ts';
import { askedPost } from './posts.ts';
import { roleOn } from './words.ts';

export type AskParts = {
  readonly office: AccessOffice;
  readonly requests: Pick<Requests, 'get'>;
  readonly publicUrl: string;
};

type Values = Readonly<Record<string, string>>;
type Failed = { readonly code: string; readonly message: string };

const GONE = 'No rule lets you ask for this any more: begin again.';
/** At which field a refusal is said; any other at the first. */
const FIELDS: Readonly<Record<string, string>> = {
  'reason-required': 'reason',
  'ticket-required': 'reason',
  'text-not-valid': 'reason',
  'not-valid': 'start',
};

/** What the gateway refuses is told as it says it; what fails is thrown on. */
export async function orRefused<T>(work: Promise<T>): Promise<T | { readonly failed: Failed }> {
  try {
    return await work;
  } catch (error) {
    const failed = notDone(error);
    if (!failed) throw error;
    return { failed };
  }
}

export const isRefused = (done: object): done is { readonly failed: Failed } => 'failed' in done;

/** The form in which one says what one wants, or why there is none. */
export async function openPick(
  { office }: AskParts,
  { person }: Actor,
  action: Offered['action'],
): Promise<Answer> {
  const offers = (await office.offers(person)).filter((offer) => offer.action === action);
  const [only] = offers;
  if (!only)
    return {
      tell:
        action === 'break-glass'
          ? 'No rule lets you break the glass.'
          : 'No rule lets you ask for a role.',
    };
  const have = await office.grants(person, { person: person.email, open: true });
  return { form: offers.length === 1 ? termsForm(only, have) : pickForm(action, offers, have) };
}

/** The second form, with the terms of what was chosen in the first. */
export async function picked(
  { office }: AskParts,
  { actor: { person }, values }: Act & { readonly values: Values },
): Promise<FormAnswer> {
  const offer = await offered(office, person, values['what'] ?? '');
  if (!offer) return { errors: { what: GONE } };
  const have = await office.grants(person, { person: person.email, open: true });
  return { form: termsForm(offer, have) };
}

/** Only among what this person is offered at this moment: a key of anything else means nothing. */
async function offered(
  office: AccessOffice,
  person: Actor['person'],
  key: string,
): Promise<Offered | undefined> {
  return (await office.offers(person)).find((offer) => offerKey(offer) === key);
}

/** The form with the terms was sent. */
export async function submitTerms(
  parts: AskParts,
  { actor, state, values }: Act & { readonly state: string; readonly values: Values },
): Promise<FormAnswer> {
  const offer = await offered(parts.office, actor.person, state);
  if (!offer) return { errors: { duration: GONE } };
  const terms = termsIn(values);
  if ('errors' in terms) return terms;
  const done = await asking(parts, actor, {
    ...terms,
    kind: offer.action === 'request' ? 'access' : 'break-glass',
    target: offer.target,
    role: offer.role,
  });
  if (!isRefused(done)) return askedAnswer(parts, done);
  const { code, message } = done.failed;
  return { errors: { [fieldOf(code, values)]: message } };
}

const ownLength = (values: Values): string => values['own']?.trim() ?? '';

function termsIn(
  values: Values,
):
  | Pick<AskingRole, 'durationMs' | 'startsAt' | 'reason'>
  | { readonly errors: Readonly<Record<string, string>> } {
  const own = ownLength(values);
  const durationMs = own === '' ? chosenMs(values['duration']) : parseDuration(own);
  if (durationMs === undefined)
    return { errors: { [own === '' ? 'duration' : 'own']: `Write it otherwise: ${LENGTH_HINT}` } };
  const start = values['start'] ?? '';
  if (start !== '' && Number.isNaN(Date.parse(start)))
    return { errors: { start: 'This is no time.' } };
  return {
    durationMs,
    reason: values['reason'] ?? '',
    ...(start !== '' && { startsAt: new Date(start).toISOString() }),
  };
}

/** Where a refusal is said: at a field that was shown. */
function fieldOf(code: string, values: Values): string {
  const length = ownLength(values) === '' ? 'duration' : 'own';
  const field = code === 'too-long' ? length : (FIELDS[code] ?? 'duration');
  return field in values ? field : 'duration';
}

function chosenMs(chosen: string | undefined): number | undefined {
  const ms = /^\d{1,12}$/.test(chosen ?? '') ? Number(chosen) : 0;
  return ms > 0 ? ms : undefined;
}

/** Asks for it, all said at once. */
export async function askNow(parts: AskParts, actor: Actor, wanted: AskingRole): Promise<Answer> {
  const done = await asking(parts, actor, wanted);
  return isRefused(done) ? { tell: done.failed.message } : askedAnswer(parts, done);
}

const asking = (
  { office }: AskParts,
  { person, account }: Actor,
  wanted: AskingRole,
): Promise<Request | { readonly failed: Failed }> =>
  orRefused(office.ask(person, wanted, account.platform));

/** What stands in the direct message from now on, too, where it follows what happens; what acts stands only there. */
function askedAnswer(parts: AskParts, request: Request): Answer {
  const { parts: said, ...post } = askedPost(request, shownTo(parts, request));
  const shown = said.map((part): Part => {
    if (part.kind !== 'buttons') return part;
    return { ...part, buttons: part.buttons.filter((one) => 'url' in one) };
  });
  const note: Part = {
    kind: 'note',
    line: ['I write to you directly whenever something changes.'],
  };
  return { show: { ...post, parts: [...shown, note] } };
}

/** The same role under the same terms, in a new request; what the rules say now decides. */
export async function askAgain(
  parts: AskParts,
  { actor, value }: Act & { readonly value: string },
): Promise<Answer> {
  const { office, requests } = parts;
  const { person } = actor;
  const grant = await orRefused(office.grant(person, value));
  if (isRefused(grant)) return { tell: grant.failed.message };
  const { kind, target, role, durationMs } = grant;
  if (grant.person !== person.email)
    return { tell: `This is about what ${grant.person} has: ask for yourself with /access.` };
  const have = await office.grants(person, { person: person.email, target, open: true });
  const next = have.find((one) => one.role === role && one.id !== grant.id);
  if (next) return { tell: `You have asked again already: ${roleOn(next)} is yours.` };
  const request = grant.request === undefined ? undefined : await requests.get(grant.request);
  const reason = request?.card.reason ?? '';
  return await askNow(parts, actor, { kind, target, role, durationMs, reason });
}
