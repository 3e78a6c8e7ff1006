import { lengthOf } from '#src/approval/access.ts';
import { TEXT_MOST } from '#src/approval/questions.ts';
import type { Request } from '#src/approval/request.ts';
import { messageOf } from '../message.ts';
import type { Field, Form, Part } from '../model.ts';

const MINUTE = 60_000;
const SHORTER = [15, 30, 60, 120, 240, 480, 1_440].map((minutes) => minutes * MINUTE);

const reason = (hint: string): Extract<Field, { kind: 'text' }> => ({
  kind: 'text',
  id: 'reason',
  label: 'Reason',
  hint,
  lines: true,
  max: 1_000,
});

/** Asks why a request is denied. */
export const denyForm = (request: string): Form => ({
  id: 'deny',
  title: 'Deny the request',
  submit: 'Deny',
  state: request,
  fields: [reason('The requester reads this, and it goes on record.')],
});

/** Approves with what its rule asks for, and a role for a shorter time. `shape`: the same again, too. */
export function approveForm(
  request: Request,
  { version, shape }: { readonly version: number; readonly shape: boolean },
  publicUrl: string,
): Form {
  const { card, requirement } = request;
  const { asks } = messageOf(request, publicUrl, 0);
  const told: Part[] = asks ? [{ kind: 'text', line: [asks.allows.text] }] : [];
  if (shape && asks?.shape)
    told.push({
      kind: 'text',
      line: [`For ${asks.shape.time} it runs again without asking: ${asks.shape.words}.`],
    });
  const why = reason('It goes on record, and the requester reads it.');
  return {
    id: 'approve-form',
    title: 'Approve',
    submit: 'Approve',
    state: `${request.id}.${version}${shape ? '.same' : ''}`,
    parts: told,
    fields: [
      ...(card.access ? [lasts(card.access.durationMs)] : []),
      requirement.reasonRequired ? why : { ...why, optional: true },
    ],
  };
}

function lasts(asked: number): Field {
  const lengths = [...SHORTER.filter((ms) => ms < asked), asked].toReversed();
  return {
    kind: 'choice',
    id: 'duration',
    label: 'For how long',
    initial: String(asked),
    choices: lengths.map((ms) => ({
      value: String(ms),
      label: ms === asked ? `${lengthOf(ms)}, as asked for` : lengthOf(ms),
    })),
  };
}

export const askForm = ({ id, card }: Request): Form => ({
  id: 'request-ask',
  title: 'Ask a question',
  submit: 'Ask',
  state: id,
  fields: [
    {
      kind: 'text',
      id: 'text',
      label: 'Question',
      hint: `${card.person.name.slice(0, 100)} reads it at once, and so does everybody who sees the request. It goes on record.`,
      lines: true,
      max: TEXT_MOST,
    },
  ],
});

export const answerForm = (request: string, question: string, text: string): Form => ({
  id: 'request-answer',
  title: 'Answer',
  submit: 'Answer',
  state: `${request}.${question}`,
  parts: [{ kind: 'text', line: [text] }],
  fields: [
    {
      kind: 'text',
      id: 'text',
      label: 'Your answer',
      hint: 'Those who decide read it, and so does everybody who sees the request. It goes on record.',
      lines: true,
      max: TEXT_MOST,
    },
  ],
});

/** `groups`: at least one. */
export const handOverForm = ({ id, requirement }: Request, groups: readonly string[]): Form => ({
  id: 'request-hand-over',
  title: 'Hand over',
  submit: 'Hand over',
  state: id,
  fields: [
    {
      kind: 'choice',
      id: 'group',
      label: 'To',
      hint: 'Those who were asked decide as before. Who has to agree as well is said here; others are told of it.',
      // Slack takes no longer value; for such a group there are the page and the command line.
      choices: groups
        .filter(({ length }) => length <= 75)
        .slice(0, 100)
        .map((group) => ({
          value: group,
          label: requirement.handOver?.includes(group)
            ? `${group}, who has to agree as well`
            : `${group}, who is told`,
        })),
    },
  ],
});
