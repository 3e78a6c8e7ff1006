import { randomUUID } from 'node:crypto';
import { maskDetected } from '../mask/detect.ts';
import { visible } from '../mask/visible.ts';
import type { Sql } from '../store/database.ts';
import type { Question, Request } from './request.ts';
import {
  notSaid,
  Refused,
  take,
  type NotSaid,
  type Plan,
  type Talk,
  type TalkParts,
} from './talk.ts';
import { sameKey } from './tally.ts';

/** Of a question and of an answer, in characters. */
export const TEXT_MOST = 1_000;
/** Questions about one request, and those of one person that wait for an answer. */
const MOST = 10;
const MOST_OPEN = 3;

/** Approvers' questions and the requester's answers. */
export function openQuestions(parts: TalkParts): Pick<Talk, 'ask' | 'answer'> {
  return {
    ask: (id, person, text, via) =>
      take(parts, id, person, asking(id, text, { via, question: randomUUID() })),
    answer: (id, question, person, text, via) =>
      take(parts, id, person, answering(question, text, via)),
  };
}

type From = { readonly via: Question['via']; readonly question: string };

function asking(id: string, typed: string, { via, question }: From): Plan {
  return (request, person) => {
    const text = cleaned(typed);
    if (typeof text !== 'string') return text;
    if (isRequester(request, person.email))
      return notSaid('own-request', 'You asked for this yourself: others ask you about it.');
    return {
      body: { event: 'question', question, text, via },
      async change(sql, record, by) {
        await demandRoom(sql, id, by);
        await sql.query(
          `insert into countersign.question (id, request, text, person, via, record)
           values ($1, $2, $3, $4, $5, $6)`,
          [question, id, text, by, via, record],
        );
      },
    };
  };
}

/** The row of the request is locked, so those who ask at once are counted one after the other. */
async function demandRoom(sql: Sql, id: string, by: string): Promise<void> {
  const { rows } = await sql.query<{ all: string; open: string }>(
    `select count(*) as all, count(*) filter (where person = $2 and answer is null) as open
     from countersign.question where request = $1`,
    [id, by],
  );
  if (Number(rows[0]?.all) >= MOST)
    throw new Refused(
      notSaid('too-many', `${MOST} questions were asked already: decide on these.`),
    );
  if (Number(rows[0]?.open) >= MOST_OPEN)
    throw new Refused(
      notSaid('too-many', `${MOST_OPEN} of your questions wait for an answer already.`),
    );
}

function answering(id: string | undefined, typed: string, via: Question['via']): Plan {
  return (request, person) => {
    const text = cleaned(typed);
    if (typeof text !== 'string') return text;
    if (!isRequester(request, person.email))
      return notSaid('not-yours', 'Only who asked for it answers questions about it.');
    const open = (request.questions ?? []).filter(({ answer }) => answer === undefined);
    const asked =
      id === undefined && open.length === 1 ? open[0] : open.find((one) => one.id === id);
    if (!asked) return noneOpen(id, open.length);
    return {
      body: { event: 'answer', question: asked.id, text, via },
      // Whoever looked before has not read it.
      loud: true,
      async change(sql, record, by) {
        const { rowCount } = await sql.query(
          `update countersign.question set answer = $2, answered_by = $3, answered_via = $4, answer_record = $5,
             answered_at = clock_timestamp() where id = $1 and answer is null`,
          [asked.id, text, by, via, record],
        );
        if (rowCount !== 1) throw new Refused(noneOpen(asked.id, 0));
      },
    };
  };
}

const noneOpen = (id: string | undefined, open: number): NotSaid =>
  open > 1 && id === undefined
    ? notSaid('no-question', 'Several questions are open: say which one you answer.')
    : notSaid(
        'no-question',
        'There is no such open question: it was answered already, or never asked.',
      );

const isRequester = ({ card }: Request, email: string): boolean =>
  sameKey(email) === sameKey(card.person.email);

/** As it is stored, recorded and shown: without values that a detector finds, and with nothing that hides or commands. */
function cleaned(typed: string): string | NotSaid {
  const text = maskDetected(visible(typed.toWellFormed().replaceAll(/\r\n?/gu, '\n').trim()));
  const length = Array.from(text).length;
  if (length === 0) return notSaid('not-valid', 'Write something.');
  return length <= TEXT_MOST
    ? text
    : notSaid('not-valid', `Write at most ${TEXT_MOST} characters; these are ${length}.`);
}
