import { z } from 'zod';
import { parseDuration } from '#src/policy/duration.ts';
import {
  accessOf,
  ask,
  endGrant,
  listGrants,
  readGrant,
  REVIEW_MIN,
  reviewGrant,
  withdraw,
} from './asking.ts';
import type { HttpDeps } from './deps.ts';
import { readRequest } from './reading.ts';
import { noBody, nothing, route, type Route } from './route.ts';
import { grantReply, idParams, reasonText, requestReply } from './schemas.ts';

/** `2h`, `90m`, as in rules. */
export const durationText = z.string().transform((text, context) => {
  const ms = parseDuration(text.trim());
  if (ms !== undefined) return ms;
  context.addIssue({ code: 'custom', message: 'write a number and m, h or d: 2h' });
  return z.NEVER;
});

const name = z.string().trim().min(1).max(200);
const askBody = z.strictObject({
  kind: z.enum(['access', 'break-glass']),
  target: name,
  role: name,
  duration: durationText.optional(),
  /** ISO 8601. */
  start: z.iso.datetime({ offset: true }).optional(),
  reason: reasonText.default(''),
});

export const reviewText = reasonText.min(
  REVIEW_MIN,
  `say in a sentence or two what was done and whether it was right (${REVIEW_MIN} characters or more)`,
);

const offer = z.object({
  target: z.string(),
  role: z.string(),
  kind: z.enum(['access', 'break-glass']),
  longestMs: z.number(),
  reasonRequired: z.boolean(),
  tickets: z.array(z.string()).readonly(),
  /** Groups that have to agree, and how many of each; empty: it is granted at once. */
  approval: z.array(z.object({ group: z.string(), quorum: z.int() })).readonly(),
  stepUp: z.boolean(),
});

export function grantRoutes(deps: HttpDeps): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/access',
      summary: 'The roles that you may ask for, or take by break-glass, and under which terms',
      scope: 'read',
      params: nothing,
      query: nothing,
      body: noBody,
      reply: z.object({ offers: z.array(offer).readonly() }),
      problems: [],
      async run({ caller }) {
        const offers = await accessOf(deps).rules.offers(caller.person);
        return {
          offers: offers.map(({ target, role, action, access }) => ({
            target,
            role,
            kind: action === 'request' ? ('access' as const) : action,
            longestMs: access.terms.longestMs,
            reasonRequired: access.terms.reasonRequired || action === 'break-glass',
            tickets: access.terms.tickets,
            approval: access.kind === 'hold' ? access.requirement.groups : [],
            stepUp: access.terms.fresh !== undefined,
          })),
        };
      },
    }),
    route({
      method: 'POST',
      path: '/requests',
      summary: 'Ask for a role for a time, or take it by break-glass where a rule lets you',
      scope: 'connect',
      params: nothing,
      query: nothing,
      body: askBody,
      reply: requestReply,
      problems: [409],
      run: ({ body: { duration, start, ...asking }, caller, address }) =>
        ask(
          deps,
          caller,
          {
            ...asking,
            ...(duration !== undefined && { durationMs: duration }),
            ...(start !== undefined && { startsAt: start }),
          },
          { via: 'api', address },
        ),
    }),
    route({
      method: 'DELETE',
      path: '/requests/{id}',
      summary: 'Take back a request of yours for a role',
      scope: 'connect',
      params: idParams,
      query: nothing,
      body: noBody,
      reply: requestReply,
      problems: [404, 409],
      async run({ params, caller }) {
        await withdraw(deps, caller, params.id);
        return readRequest(deps, caller.person, params.id);
      },
    }),
    route({
      method: 'GET',
      path: '/grants',
      summary: 'The grants that you may see, newest first',
      scope: 'read',
      params: nothing,
      query: z.strictObject({
        person: name.optional(),
        target: name.optional(),
        state: z.enum(['open', 'all', 'unreviewed']).default('open'),
        limit: z.coerce.number().int().min(1).max(500).default(100),
      }),
      body: noBody,
      reply: z.object({ grants: z.array(grantReply).readonly() }),
      problems: [],
      async run({ query: { person, target, state, limit }, caller }) {
        const grants = await listGrants(deps, caller.person, {
          limit,
          ...(person !== undefined && { person }),
          ...(target !== undefined && { target }),
          ...(state === 'open' && { open: true }),
          ...(state === 'unreviewed' && { unreviewed: true }),
        });
        return { grants };
      },
    }),
    route({
      method: 'GET',
      path: '/grants/{id}',
      summary: 'One grant',
      scope: 'read',
      params: idParams,
      query: nothing,
      body: noBody,
      reply: grantReply,
      problems: [404],
      run: ({ params, caller }) => readGrant(deps, caller.person, params.id),
    }),
    route({
      method: 'DELETE',
      path: '/grants/{id}',
      summary:
        'End a grant at once; of others needs the right to approve it, and decide, and a reason',
      scope: 'read',
      params: idParams,
      query: nothing,
      body: z.strictObject({ reason: reasonText.default('') }).optional(),
      reply: grantReply,
      problems: [404, 409],
      run: ({ params, body, caller }) => endGrant(deps, caller, params.id, body?.reason ?? ''),
    }),
    route({
      method: 'POST',
      path: '/grants/{id}/review',
      summary: 'Say what you found in what was done under break-glass',
      scope: 'decide',
      params: idParams,
      query: nothing,
      body: z.strictObject({ review: reviewText }),
      reply: grantReply,
      problems: [404, 409],
      run: ({ params, body, caller }) => reviewGrant(deps, caller, params.id, body.review),
    }),
  ];
}
