import { z } from 'zod';
import { comeBack, goAway } from '../api/absences.ts';
import type { Caller } from '../api/authenticate.ts';
import type { HttpDeps } from '../api/deps.ts';
import { notFound } from '../api/problem.ts';
import type { AbsencesView } from './pages/absences.ts';

/** A field of type `datetime-local`, read as UTC. */
const moment = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?$/, 'is not a time')
  .transform((text) => `${text}Z`);

export const awayForm = z.strictObject({
  csrf: z.string(),
  substitute: z.string().trim().min(3).max(254),
  from: z.union([z.literal('').transform(() => undefined), moment]).optional(),
  until: moment,
});
export const backForm = z.strictObject({ csrf: z.string(), id: z.uuid() });

const absencesIn = ({ absences }: HttpDeps) => {
  if (!absences) throw notFound('page');
  return absences;
};

export async function sayAway(
  deps: HttpDeps,
  caller: Caller,
  form: z.output<typeof awayForm>,
): Promise<void> {
  await goAway(absencesIn(deps), caller, form);
}

export async function sayBack(deps: HttpDeps, caller: Caller, id: string): Promise<void> {
  await comeBack(absencesIn(deps), caller, id);
}

/** What the account page says of them; undefined where nobody can be away. */
export async function absencesOf(
  { absences }: HttpDeps,
  caller: Caller,
  formToken: string,
): Promise<AbsencesView | undefined> {
  const { person, scopes } = caller;
  if (!absences || person.machine) return undefined;
  return {
    email: person.email,
    formToken,
    absences: await absences.list(person.email),
    canDecide: caller.agent === undefined && scopes.includes('decide'),
  };
}
