import { z } from 'zod';
import { NotAway, type Absence, type Absences } from '#src/approval/away.ts';
import type { Caller } from './authenticate.ts';
import { demandScope } from './authenticate.ts';
import { Problem } from './problem.ts';
import { ADMINISTER } from './rights.ts';
import { noBody, nothing, route, type Route } from './route.ts';
import { idParams } from './schemas.ts';

const absenceReply = z
  .object({
    id: z.string(),
    person: z.string(),
    /** Who decides in their place. */
    substitute: z.string(),
    from: z.string(),
    until: z.string(),
  })
  .meta({ id: 'Absence' });

const when = z.iso.datetime({ offset: true });

/** What somebody says of an absence of theirs; times are ISO 8601, `from` is now when it is left out. */
export type AwayAsked = {
  readonly substitute: string;
  readonly from?: string | undefined;
  readonly until: string;
};

const STATUS: Readonly<Record<NotAway['code'], number>> = {
  'not-valid': 422,
  'not-found': 404,
  'too-many': 409,
};

async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof NotAway) throw new Problem(STATUS[error.code], error.code, error.message);
    throw error;
  }
}

/** It hands on the right to decide: for the person's own sign-in, with the scope for deciding. */
function demandOwn(caller: Caller): void {
  if (caller.agent !== undefined)
    throw new Problem(403, 'agent', 'An agent decides nothing, so it names nobody who does.');
  demandScope(caller.scopes, 'decide');
}

/** Somebody says that they are away, and who of their groups decides in their place. Throws the problem that says why not. */
export function goAway(
  absences: Absences,
  caller: Caller,
  { substitute, from, until }: AwayAsked,
): Promise<Absence> {
  demandOwn(caller);
  return told(() =>
    absences.add(caller.person, { substitute, until, ...(from !== undefined && { from }) }),
  );
}

/** Ends an absence: one's own, one in which one stands in, or as a member of `security` any. */
export function comeBack(absences: Absences, caller: Caller, id: string): Promise<void> {
  demandOwn(caller);
  return told(() => absences.end(id, caller.person, ADMINISTER));
}

/** Absences, and who decides meanwhile; none where nobody can be away. */
export function absenceRoutes(absences: Absences | undefined): readonly Route[] {
  if (!absences) return [];
  return [
    route({
      method: 'GET',
      path: '/absences',
      summary: 'When you are away, and whom you stand in for',
      scope: 'read',
      params: nothing,
      query: nothing,
      body: noBody,
      reply: z.object({ absences: z.array(absenceReply).readonly() }),
      problems: [],
      run: async ({ caller }) => ({ absences: await absences.list(caller.person.email) }),
    }),
    route({
      method: 'POST',
      path: '/absences',
      summary: 'Say that you are away, and which colleague decides in your place',
      scope: 'decide',
      params: nothing,
      query: nothing,
      body: z.strictObject({
        substitute: z.string().trim().min(3).max(254),
        from: when.optional(),
        until: when,
      }),
      reply: absenceReply,
      problems: [403, 409],
      run: ({ body, caller }) => goAway(absences, caller, body),
    }),
    route({
      method: 'DELETE',
      path: '/absences/{id}',
      summary: 'End an absence before its time',
      scope: 'decide',
      params: idParams,
      query: nothing,
      body: noBody,
      reply: z.object({ ended: z.literal(true) }),
      problems: [403, 404],
      async run({ params, caller }) {
        await comeBack(absences, caller, params.id);
        return { ended: true } as const;
      },
    }),
  ];
}
