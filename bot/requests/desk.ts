import { setTimeout as sleep } from 'node:timers/promises';
import type { Requests, Vote } from '#src/approval/port.ts';
import type { Database } from '#src/store/database.ts';
import type { Act, Answer, Desk } from '../desk.ts';
import type { Form } from '../model.ts';
import { isCardOf } from './cards.ts';

const VALUE = /^([0-9a-f-]{36})\.(\d{1,9})$/;
/** A card is shown before its id is stored; a click in that moment waits for it. */
const POSTING_MS = 1_500;
const POSTING_STEP_MS = 100;
const COPY = 'This is a copy of the card, which decides nothing. Decide here:';
const POSTING = 'This card is still being posted: click again in a moment, or decide here:';

export type RequestParts = {
  readonly db: Database;
  readonly requests: Pick<Requests, 'get' | 'decide'>;
  readonly publicUrl: string;
};

/** What a click on a card is about; only the stored card acts. */
type OnCard = Act & { readonly request: string; readonly version: number };

/** Votes on requests, by the buttons of their cards. */
export function requestsDesk(parts: RequestParts): Desk {
  const { requests, publicUrl } = parts;
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
  const vote = async (act: Act, request: string, ballot: Omit<Vote, 'via'>): Promise<Answer> => {
    const { account, person } = act.actor;
    const decided = await requests.decide(request, person, { ...ballot, via: account.platform });
    return decided.ok ? undefined : tell(request, decided.refusal.message);
  };
  const approve = (shape: boolean) =>
    onCard((click) =>
      vote(click, click.request, {
        decision: 'approve',
        reason: '',
        version: click.version,
        ...(shape && { shape: true }),
      }),
    );
  return {
    buttons: {
      approve: approve(false),
      'approve-shape': approve(true),
      deny: onCard(async ({ request }) => {
        const now = await requests.get(request);
        return now?.state === 'pending'
          ? { form: denyForm(request) }
          : tell(request, `This request can no longer be decided: it is ${now?.state ?? 'gone'}.`);
      }),
    },
    forms: {
      async deny({ state, values, ...act }) {
        const reason = values['reason']?.trim() ?? '';
        if (reason === '') return { errors: { reason: 'Give a reason: the requester reads it.' } };
        // No version goes with it: a denial stays a denial when somebody else has approved in the meantime.
        const answer = await vote(act, state, { decision: 'deny', reason });
        return answer && 'tell' in answer ? { errors: { reason: answer.tell } } : undefined;
      },
    },
  };
}

/** Asks why a request is denied. */
export const denyForm = (request: string): Form => ({
  id: 'deny',
  title: 'Deny the request',
  submit: 'Deny',
  state: request,
  fields: [
    {
      kind: 'text',
      id: 'reason',
      label: 'Reason',
      hint: 'The requester reads this, and it goes on record.',
      lines: true,
      max: 1_000,
    },
  ],
});

async function placeOf(db: Database, { actor, place }: Act, request: string) {
  for (let waited = 0; ; waited += POSTING_STEP_MS) {
    const found = await isCardOf(db, actor.account.platform, request, place);
    if (found !== 'unknown' || waited >= POSTING_MS) return found;
    await sleep(POSTING_STEP_MS);
  }
}
