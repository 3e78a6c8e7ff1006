import type { z } from 'zod';
import type { Api } from './api.ts';
import { usageFailure } from './failure.ts';

/** What is said about a request beside deciding it, and what goes to the API for it. */
export const TALK = {
  ask: { path: 'questions', wants: '"QUESTION"', field: 'text', done: 'asked' },
  answer: { path: 'answers', wants: '"ANSWER"', field: 'text', done: 'answered' },
  'hand-over': { path: 'hand-overs', wants: 'GROUP', field: 'group', done: 'handed over' },
  remind: { path: 'reminders', wants: undefined, field: undefined, done: 'reminded' },
} as const;

export type TalkAction = keyof typeof TALK;

export const isTalk = (action: string): action is TalkAction => Object.hasOwn(TALK, action);

type Said = { readonly text: string | undefined; readonly question: string | undefined };

/** Says it; resolves with the request as it is then. */
export async function say<T>(
  api: Api,
  action: TalkAction,
  id: string,
  { text, question }: Said,
  reply: z.ZodType<T>,
): Promise<T> {
  const { path, wants, field } = TALK[action];
  if (wants !== undefined && (text === undefined || text.trim() === ''))
    throw usageFailure(`${action} what?`, `countersign requests ${action} ID ${wants}`);
  const body = {
    ...(field !== undefined && { [field]: text }),
    ...(action === 'answer' && question !== undefined && { question }),
  };
  return await api.post(`/requests/${encodeURIComponent(id)}/${path}`, body, reply);
}
