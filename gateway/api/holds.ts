import { z } from 'zod';
import { type Held, type Holds, HoldRefused } from '#src/audit/erasure/holds.ts';
import type { Caller } from './authenticate.ts';
import type { HttpDeps } from './deps.ts';
import { notFound, Problem } from './problem.ts';
import { apiReader, recordLook } from './reading.ts';
import { mayAdminister } from './rights.ts';
import { noBody, nothing, route, type Route } from './route.ts';
import { reasonText } from './schemas.ts';

const name = z.string().regex(/^[\w.-]{1,63}$/u, 'letters, digits, ".", "_" and "-", at most 63');
const reason = reasonText.min(1, 'say why: it stays in the record');
const keeps = z
  .strictObject({
    person: z.string().trim().min(3).max(254).optional(),
    target: z.string().min(1).max(63).optional(),
    session: z.uuid().optional(),
    from: z.iso.datetime().optional(),
    to: z.iso.datetime().optional(),
  })
  .refine((all) => Object.values(all).some((one) => one !== undefined), 'name what it keeps');

const holdReply = z
  .object({
    id: z.string(),
    name: z.string(),
    keeps: z.record(z.string(), z.string()),
    reason: z.string(),
    placedBy: z.string().optional(),
    placedAt: z.string(),
    releasedBy: z.string().optional(),
    releasedAt: z.string().optional(),
  })
  .meta({ id: 'LegalHold' });

/** What keeps records from being erased: for members of `security`. Others do not learn that there is any. */
export function holdRoutes(deps: HttpDeps & { readonly legalHolds: Holds }): readonly Route[] {
  const { legalHolds } = deps;
  return [
    route({
      method: 'GET',
      path: '/holds',
      summary: 'Legal holds in force, for members of security; the look is itself recorded',
      scope: 'read',
      params: nothing,
      query: z.strictObject({ all: z.enum(['true', 'false']).default('false') }),
      body: noBody,
      reply: z.object({ holds: z.array(holdReply).readonly() }),
      problems: [404],
      async run({ query, caller }) {
        demandSecurity(caller);
        await recordLook(deps, apiReader(caller), { looked: 'legal holds' });
        return { holds: (await legalHolds.list(query.all === 'true')).map(replyOf) };
      },
    }),
    route({
      method: 'POST',
      path: '/holds',
      summary:
        'Places a legal hold: what it keeps is neither erased nor dropped until it is released',
      scope: 'decide',
      params: nothing,
      query: nothing,
      body: z.strictObject({ name, keeps, reason }),
      reply: holdReply,
      problems: [404, 409],
      async run({ body, caller }) {
        demandSecurity(caller);
        return replyOf(
          await refused(() =>
            legalHolds.place(body.name, given(body.keeps), body.reason, caller.person.email),
          ),
        );
      },
    }),
    route({
      method: 'POST',
      path: '/holds/{name}/release',
      summary: 'Releases a legal hold; one on your own records is released by somebody else',
      scope: 'decide',
      params: z.strictObject({ name }),
      query: nothing,
      body: z.strictObject({ reason }),
      reply: z.object({ released: z.literal(true) }),
      problems: [404, 409],
      async run({ params, body, caller }) {
        demandSecurity(caller);
        await refused(() => legalHolds.release(params.name, body.reason, caller.person.email));
        return { released: true as const };
      },
    }),
  ];
}

/** An agent acts with less than its person has. */
function demandSecurity(caller: Caller): void {
  if (caller.agent !== undefined || !mayAdminister(caller.person)) throw notFound('page');
}

async function refused<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof HoldRefused)) throw error;
    throw new Problem(
      409,
      'refused',
      `${error.message.charAt(0).toUpperCase()}${error.message.slice(1)}.`,
    );
  }
}

/** Without the members that are absent. */
const given = (all: z.output<typeof keeps>): Held =>
  Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));

const replyOf = ({ keeps: what, ...hold }: Awaited<ReturnType<Holds['place']>>) => ({
  ...hold,
  keeps: { ...what },
});
