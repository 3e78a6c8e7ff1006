import { z } from 'zod';
import { personKey } from '#src/identity/people.ts';
import type { SessionFilter, SessionFound } from '#src/store/session-list.ts';
import { demandScope, type Caller } from './authenticate.ts';
import type { HttpDeps } from './deps.ts';
import { notFound, Problem } from './problem.ts';
import { apiReader, readSession, recordLook, type Reader, type Via } from './reading.ts';
import { mayAdminister, maySeeAllRecords } from './rights.ts';
import { noBody, nothing, route, type Route } from './route.ts';
import { idParams, reasonText, sessionReply } from './schemas.ts';

const LONGEST_REASON = 200;
/** Why somebody ends a session; the one in it reads it. */
export const endReason = reasonText
  .min(1, 'say why: the person in the session reads it')
  .max(LONGEST_REASON);

const isOwn = ({ person }: { readonly person: { readonly email: string } }, of: string): boolean =>
  personKey(person.email) === personKey(of);

/** One's own, or for members of `dba`, `security` and `oncall` everybody's: that is a look. Newest first. */
export async function listSessions(
  deps: HttpDeps,
  reader: Reader,
  filter: Omit<SessionFilter, 'of'>,
): Promise<readonly SessionFound[]> {
  if (!maySeeAllRecords(reader.person))
    return deps.sessions.list({ ...filter, of: personKey(reader.person.email) });
  await recordLook(deps, reader, { looked: 'sessions', ...filter });
  return deps.sessions.list(filter);
}

/** Whoever is in it, but no agent of theirs, and members of `security`. */
export const mayEndSession = ({ person, agent }: Caller, of: string): boolean =>
  agent === undefined && (isOwn({ person }, of) || mayAdminister(person));

/** Throws a 404 for who may not see it, a 403 for who may not end it, a 409 when it has ended. */
export async function endSession(
  deps: HttpDeps,
  caller: Caller,
  id: string,
  { reason, via }: { readonly reason: string; readonly via: Via },
): Promise<void> {
  const found = await deps.sessions.get(id);
  const own = found !== undefined && isOwn(caller, found.person);
  if (!found || !(own || maySeeAllRecords(caller.person))) throw notFound('session');
  if (!mayEndSession(caller, found.person))
    throw new Problem(
      403,
      'not-allowed',
      'Its own person and members of security may end a session. Ask one of them.',
    );
  if (!own) demandScope(caller.scopes, 'decide');
  const ended = await deps.sessions.end(found, { by: caller.person.email, via, reason });
  if (!ended) throw new Problem(409, 'has-ended', 'The session has ended already.');
}

const found = z
  .object({
    id: z.string(),
    gateway: z.string(),
    person: z.string(),
    agent: z.string().optional(),
    target: z.string(),
    database: z.string(),
    protocol: z.string(),
    client: z.string(),
    application: z.string(),
    startedAt: z.string(),
    endedAt: z.string().optional(),
    endedBy: z.string().optional(),
    endedWhy: z.string().optional(),
    state: z.enum(['running', 'ended', 'abandoned']),
  })
  .meta({ id: 'SessionFound' });

export function sessionRoutes(deps: HttpDeps): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/sessions',
      summary: 'The sessions that you may see, newest first; a look at those of others is recorded',
      scope: 'read',
      params: nothing,
      query: z.strictObject({
        state: z.enum(['running', 'ended', 'all']).default('running'),
        person: z.string().trim().min(1).max(254).optional(),
        target: z.string().trim().min(1).max(200).optional(),
        before: z.uuid().optional(),
        limit: z.coerce.number().int().min(1).max(500).default(100),
      }),
      body: noBody,
      reply: z.object({ sessions: z.array(found).readonly() }),
      problems: [],
      async run({ query: { state, person, target, before, limit }, caller }) {
        const filter = {
          limit,
          ...(state !== 'all' && { state }),
          ...(person !== undefined && { person }),
          ...(target !== undefined && { target }),
          ...(before !== undefined && { before }),
        };
        return { sessions: await listSessions(deps, apiReader(caller), filter) };
      },
    }),
    route({
      method: 'GET',
      path: '/sessions/{id}',
      summary: 'A session as its records tell it, oldest first',
      scope: 'read',
      params: idParams,
      query: nothing,
      body: noBody,
      reply: sessionReply,
      problems: [404],
      run: ({ params, caller }) => readSession(deps, apiReader(caller), params.id),
    }),
    route({
      method: 'DELETE',
      path: '/sessions/{id}',
      summary:
        'End a running session, on whichever gateway it is; of others needs security and decide',
      scope: 'read',
      params: idParams,
      query: nothing,
      body: z.strictObject({ reason: endReason }),
      reply: z.object({ ended: z.literal(true) }),
      problems: [404, 409],
      async run({ params, body, caller }) {
        await endSession(deps, caller, params.id, { reason: body.reason, via: 'api' });
        return { ended: true } as const;
      },
    }),
  ];
}
