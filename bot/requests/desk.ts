import { setTimeout as sleep } from 'node:timers/promises';
import type { Requests, Vote } from '#src/approval/port.ts';
import type { Request } from '#src/approval/request.ts';
import { maySeeRequest } from '#src/approval/sight.ts';
import type { Talk, Talked } from '#src/approval/talk.ts';
import type { Database } from '#src/store/database.ts';
import type { Act, Answer, Desk, FormAnswer } from '../desk.ts';
import type { Platform } from '../platform.ts';
import type { Say } from '../say.ts';
import { isCardOf } from './cards.ts';
import { detailsPost } from './details.ts';
import { answerForm, approveForm, askForm, denyForm, handOverForm } from './forms.ts';
import { reactionVotes, type ReactionParts } from './reactions.ts';
import { askedKey } from './talk.ts';

const VALUE = /^([0-9a-f-]{36})\.(\d{1,9})$/;
const APPROVING = /^([0-9a-f-]{36})\.(\d{1,9})(\.same)?$/;
const ANSWERING = /^([0-9a-f-]{36})\.([0-9a-f-]{36})$/;
/** A card is shown before its id is stored; a click in that moment waits for it. */
const POSTING_MS = 1_500;
const POSTING_STEP_MS = 100;
const COPY = 'This is a copy of the card, which decides nothing. Decide here:';
const POSTING = 'This card is still being posted: click again in a moment, or decide here:';

export type RequestParts = ReactionParts & {
  readonly db: Database;
  readonly requests: Pick<Requests, 'get' | 'decide'> & Talk;
  readonly platforms: readonly Platform[];
  readonly say: Pick<Say, 'keyOf'>;
  readonly publicUrl: string;
};

/** What a click on a card is about; only the stored card acts. */
type OnCard = Act & { readonly request: string; readonly version: number };
type Submitted = Act & {
  readonly state: string;
  readonly values: Readonly<Record<string, string>>;
};

/** Votes on requests and what is said about them, by the buttons of their cards and by reactions. */
export function requestsDesk(parts: RequestParts): Desk {
  const { requests, publicUrl } = parts;
  const reactions = reactionVotes(parts);
  const link = (request: string): string => `${publicUrl}/requests/${request}`;
  const tell = (request: string, text: string): Answer => ({ tell: text, link: link(request) });
  const onCard =
    (act: (click: OnCard) => Promise<Answer>) =>
    async (click: Act & { readonly value: string }): Promise<Answer> => {
      const [, request, version] = VALUE.exec(click.value) ?? [];
      if (request === undefined) throw new Error('a button of a card carries no request');
      const place = await placeOf(parts.db, click, request);
      if (place === 'card') return await act({ ...click, request, version: Number(version) });
      return tell(request, place === 'copy' ? COPY : POSTING);
    };
  /** For what is of use only while it waits. */
  const onPending = (act: (click: OnCard, now: Request) => Promise<Answer> | Answer) =>
    onCard(async (click) => {
      const now = await requests.get(click.request);
      return now?.state === 'pending'
        ? await act(click, now)
        : tell(
            click.request,
            `This request can no longer be decided: it is ${now?.state ?? 'gone'}.`,
          );
    });
  const vote = async (act: Act, request: string, ballot: Omit<Vote, 'via'>): Promise<Answer> => {
    const { account, person } = act.actor;
    const now = await requests.get(request);
    // Reactions that are gone must not count beside this vote.
    if (now && ballot.decision === 'approve' && !(await reactions.settle(now)))
      return tell(request, 'Other people’s reactions cannot be read just now. Try again:');
    const decided = await requests.decide(request, person, { ...ballot, via: account.platform });
    return decided.ok ? undefined : tell(request, decided.refusal.message);
  };
  const approve = ({ version, ...click }: OnCard, shape: boolean) =>
    vote(click, click.request, {
      decision: 'approve',
      reason: '',
      version,
      ...(shape && { shape }),
    });

  return {
    buttons: {
      approve: onCard((click) => approve(click, false)),
      'approve-shape': onPending(async (click, now) =>
        now.requirement.reasonRequired
          ? { form: approveForm(now, { version: click.version, shape: true }, publicUrl) }
          : await approve(click, true),
      ),
      'approve-form': onPending(({ version }, now) => ({
        form: approveForm(now, { version, shape: false }, publicUrl),
      })),
      deny: onPending((_click, now) => ({ form: denyForm(now.id) })),
      'request-ask': onPending((_click, now) => ({ form: askForm(now) })),
      'request-details': onCard(async ({ actor, request }) => {
        const now = await requests.get(request);
        return now && maySeeRequest(actor.person, now)
          ? { show: detailsPost(now, publicUrl) }
          : tell(request, 'You see what this channel sees: there is no more of it for you.');
      }),
      'request-hand-over': onPending(({ actor }, now) => {
        const others = requests.others(now);
        if (!maySeeRequest(actor.person, now) || others.length === 0)
          return tell(now.id, 'There is no group that you could hand it over to.');
        return { form: handOverForm(now, others) };
      }),
      'request-remind': onPending(async ({ actor }, now) => {
        const done = await requests.remind(now.id, actor.person, actor.account.platform);
        if (!done.ok) return tell(now.id, done.refusal.message);
        const { reminded } = done.request;
        return tell(now.id, `Reminded: ${reminded?.groups.join(', ')}.`);
      }),
      async 'request-answer'({ value, actor, place }) {
        const [, request = '', question = ''] = ANSWERING.exec(value) ?? [];
        const ref = { channel: place.channel ?? '', message: place.message ?? '' };
        // Only the message that asked them acts.
        if ((await parts.say.keyOf(actor.account.platform, ref)) !== askedKey(question))
          return tell(request, 'This is a copy of the question. Answer here:');
        const now = await requests.get(request);
        const asked = now?.questions?.find(({ id }) => id === question);
        return asked && asked.answer === undefined
          ? { form: answerForm(request, question, asked.text) }
          : tell(request, 'This question was answered already.');
      },
    },
    forms: {
      async deny({ state, values, ...act }) {
        const reason = values['reason']?.trim() ?? '';
        if (reason === '') return { errors: { reason: 'Give a reason: the requester reads it.' } };
        // No version goes with it: a denial stays a denial when somebody else has approved in the meantime.
        return errorsOf('reason', await vote(act, state, { decision: 'deny', reason }));
      },
      async 'approve-form'({ state, values, ...act }) {
        const [, request = '', version, same] = APPROVING.exec(state) ?? [];
        const duration = values['duration'] ?? '';
        const done = await vote(act, request, {
          decision: 'approve',
          reason: values['reason']?.trim() ?? '',
          version: Number(version),
          ...(same !== undefined && { shape: true }),
          ...(duration !== '' && { durationMs: await shorter(parts, request, duration) }),
        });
        return errorsOf('reason', done);
      },
      'request-ask': ({ state, values, actor: { account, person } }) =>
        talked('text', requests.ask(state, person, values['text'] ?? '', account.platform)),
      'request-answer'({ state, values, actor: { account, person } }: Submitted) {
        const [, request = '', question] = ANSWERING.exec(state) ?? [];
        const text = values['text'] ?? '';
        return talked('text', requests.answer(request, question, person, text, account.platform));
      },
      'request-hand-over': ({ state, values, actor: { account, person } }) =>
        talked('group', requests.handOver(state, person, values['group'] ?? '', account.platform)),
    },
    reacted: reactions.reacted,
  };
}

/** What is said is said at the form, which stays open. */
const errorsOf = (field: string, answer: Answer): FormAnswer =>
  answer && 'tell' in answer ? { errors: { [field]: answer.tell } } : undefined;

async function talked(field: string, work: Promise<Talked>): Promise<FormAnswer> {
  const done = await work;
  return done.ok ? undefined : { errors: { [field]: done.refusal.message } };
}

/** The whole time that was asked for is no limit. */
async function shorter(
  { requests }: RequestParts,
  request: string,
  chosen: string,
): Promise<number> {
  const ms = /^\d{1,12}$/.test(chosen) ? Number(chosen) : 0;
  const asked = (await requests.get(request))?.card.access?.durationMs;
  return ms === 0 ? -1 : Math.min(ms, asked ?? ms);
}

async function placeOf(db: Database, { actor, place }: Act, request: string) {
  for (let waited = 0; ; waited += POSTING_STEP_MS) {
    const found = await isCardOf(db, actor.account.platform, request, place);
    if (found !== 'unknown' || waited >= POSTING_MS) return found;
    await sleep(POSTING_STEP_MS);
  }
}
