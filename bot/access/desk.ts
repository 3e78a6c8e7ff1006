import type { Database } from '#src/store/database.ts';
import type { Act, Answer, Desk, FormAnswer } from '../desk.ts';
import { isCardOf } from '../requests/cards.ts';
import {
  askAgain,
  isRefused,
  openPick,
  orRefused,
  picked,
  submitTerms,
  type AskParts,
} from './ask.ts';
import { accessCommand, askPart, helpPost } from './command.ts';
import { endForm, REVIEW_MIN, reviewForm } from './forms.ts';
import { overview } from './home.ts';
import { choiceOf, matching } from './offers.ts';

export type AccessParts = AskParts & {
  readonly db: Database;
  /** What answers to `audit …` where we are mentioned. */
  readonly audit: () => NonNullable<Desk['commands']>[string] | undefined;
};

type Click = Act & { readonly value: string };
type Sent = Act & { readonly state: string; readonly values: Readonly<Record<string, string>> };

/**
 * Asking for roles, and what becomes of them. Nothing that comes back from chat is trusted: who acts is known from their
 * account, an id is only looked up among what they may see, and the gateway judges everything at that moment.
 */
export function accessDesk(parts: AccessParts): Desk {
  const { office } = parts;
  const search =
    (action: 'request' | 'break-glass'): NonNullable<Desk['searches']>[string] =>
    async ({ person }, typed) => {
      const offers = (await office.offers(person)).filter((offer) => offer.action === action);
      const have = await office.grants(person, { person: person.email, open: true });
      return matching(offers, typed).map((offer) => choiceOf(offer, have));
    };
  return {
    buttons: {
      'access-ask': ({ actor }) => openPick(parts, actor, 'request'),
      'access-glass': ({ actor }) => openPick(parts, actor, 'break-glass'),
      'access-again': (click) => askAgain(parts, click),
      'access-withdraw': async ({ actor, value }) => {
        const done = await orRefused(office.withdraw(actor.person, idOf(value)).then(() => ({})));
        return isRefused(done) ? { tell: done.failed.message } : undefined;
      },
      'access-back': (click) => giveBack(parts, click),
      'access-end': (click) => openEnd(parts, click),
      'access-review': (click) => openReview(parts, click),
    },
    forms: {
      'access-pick': (sent) => picked(parts, sent),
      'access-terms': (sent) => submitTerms(parts, sent),
      'access-end': (sent) => endNow(parts, sent),
      'access-review': (sent) => fileReview(parts, sent),
    },
    searches: { 'access-offers': search('request'), 'access-glass': search('break-glass') },
    commands: { access: (act) => accessCommand(parts, act) },
    mentioned: (act) => mentioned(parts, act),
    home: (actor) => overview(parts, actor, 'home'),
  };
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function idOf(value: string): string {
  if (!UUID.test(value)) throw new Error('a button carries no id of a request');
  return value;
}

/** Forms open only where somebody clicked, so a mention is answered with the button that does. */
async function mentioned(
  parts: AccessParts,
  act: Act & { readonly text: string },
): Promise<Answer> {
  const [, word, rest = ''] = /^\s*(\S+)\s*([^]*)$/u.exec(act.text) ?? [];
  const audit = word === 'audit' ? parts.audit() : undefined;
  if (audit) return await audit({ ...act, text: rest });
  if (word === 'help') return { show: helpPost() };
  if (word === 'list') return { show: await overview(parts, act.actor, 'message') };
  const said = word === 'access' ? await accessCommand(parts, { ...act, text: rest }) : undefined;
  if (said && !('form' in said)) return said;
  return {
    show: {
      summary: 'Ask for access',
      parts: [
        { kind: 'text', line: ['What do you need? The form shows what you may ask for.'] },
        askPart,
      ],
    },
  };
}

async function giveBack({ office }: AccessParts, { actor, value }: Click): Promise<Answer> {
  const { person } = actor;
  const grant = await orRefused(office.grant(person, value));
  if (isRefused(grant)) return { tell: grant.failed.message };
  if (grant.person !== person.email)
    return { tell: `Only ${grant.person} gives this back. It is ended on its card.` };
  const done = await orRefused(office.endGrant(person, value, ''));
  return isRefused(done) ? { tell: done.failed.message } : undefined;
}

/** On the card of the request alone: a copy of it opens nothing. */
async function openEnd(parts: AccessParts, { actor, place, value }: Click): Promise<Answer> {
  const { db, requests, publicUrl, office } = parts;
  const request = idOf(value);
  const link = `${publicUrl}/requests/${request}`;
  if ((await isCardOf(db, actor.account.platform, request, place)) !== 'card')
    return { tell: 'This is a copy of the card. End it here:', link };
  const grant = (await requests.get(request))?.grant;
  if (!grant || grant.state === 'ended') return { tell: 'The grant has ended already.', link };
  const seen = await orRefused(office.grant(actor.person, grant.id));
  return isRefused(seen) ? { tell: seen.failed.message } : { form: endForm(seen) };
}

async function endNow(
  { office }: AccessParts,
  { actor, state, values }: Sent,
): Promise<FormAnswer> {
  const reason = values['reason']?.trim() ?? '';
  if (reason === '') return { errors: { reason: 'Give a reason: its person reads it.' } };
  const done = await orRefused(office.endGrant(actor.person, state, reason));
  return isRefused(done) ? { errors: { reason: done.failed.message } } : undefined;
}

async function openReview({ office }: AccessParts, { actor, value }: Click): Promise<Answer> {
  const grant = await orRefused(office.grant(actor.person, value));
  if (isRefused(grant)) return { tell: grant.failed.message };
  if (grant.reviewedBy !== undefined)
    return { tell: `It was reviewed by ${grant.reviewedBy} already.` };
  if (!(await office.reviewers(grant)).includes(actor.person.email))
    return { tell: 'It is reviewed by a reviewer of the rule, other than who broke the glass.' };
  if (grant.state !== 'ended')
    return { tell: 'It is still open: end it on its card, or wait until it has ended.' };
  return { form: reviewForm(grant) };
}

async function fileReview({ office }: AccessParts, sent: Sent): Promise<FormAnswer> {
  const review = sent.values['review']?.trim() ?? '';
  if (review.length < REVIEW_MIN)
    return { errors: { review: `Say it in ${REVIEW_MIN} characters or more.` } };
  const done = await orRefused(office.review(sent.actor.person, sent.state, review));
  return isRefused(done) ? { errors: { review: done.failed.message } } : undefined;
}
