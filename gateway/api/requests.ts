import { z } from 'zod';
import { decide, endShape } from './deciding.ts';
import type { HttpDeps } from './deps.ts';
import { durationText } from './grants.ts';
import { listRequests, readRequest } from './reading.ts';
import { noBody, nothing, route, type Route } from './route.ts';
import { idParams, reasonText, requestReply, requestState } from './schemas.ts';

const decisionBody = z.discriminatedUnion('decision', [
  z.strictObject({
    decision: z.literal('approve'),
    reason: reasonText.default(''),
    version: z.int().min(1).optional(),
    /** Also lets the same run again, as `card.shape` says. */
    shape: z.boolean().optional(),
    /** A role, for no longer than this: `30m`. */
    duration: durationText.optional(),
  }),
  z.strictObject({
    decision: z.literal('deny'),
    reason: reasonText.min(1, 'a denial needs a reason'),
    version: z.int().min(1).optional(),
  }),
]);

export function requestRoutes(deps: HttpDeps): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/requests',
      summary: 'The requests that you may see, newest first',
      scope: 'read',
      params: nothing,
      query: z.strictObject({
        state: requestState.optional(),
        limit: z.coerce.number().int().min(1).max(500).default(100),
      }),
      body: noBody,
      reply: z.object({ requests: z.array(requestReply).readonly() }),
      problems: [],
      async run({ query, caller }) {
        const visible = await listRequests(deps, caller.person, {
          limit: query.limit,
          ...(query.state && { states: [query.state] }),
        });
        return { requests: visible };
      },
    }),
    route({
      method: 'GET',
      path: '/requests/{id}',
      summary: 'One request',
      scope: 'read',
      params: idParams,
      query: nothing,
      body: noBody,
      reply: requestReply,
      problems: [404],
      run: ({ params, caller }) => readRequest(deps, caller.person, params.id),
    }),
    route({
      method: 'POST',
      path: '/requests/{id}/decision',
      summary: 'Approve or deny; a denial needs a reason',
      scope: 'decide',
      params: idParams,
      query: nothing,
      body: decisionBody,
      reply: requestReply,
      problems: [404, 409],
      async run({ params, body, caller }) {
        const { decision, reason, version } = body;
        const shape = body.decision === 'approve' && body.shape === true;
        const vote = {
          decision,
          reason,
          via: 'api',
          ...(version && { version }),
          ...(shape && { shape }),
          ...(body.decision === 'approve' &&
            body.duration !== undefined && { durationMs: body.duration }),
        } as const;
        return decide(deps, caller.person, params.id, vote);
      },
    }),
    route({
      method: 'DELETE',
      path: '/requests/{id}/shape',
      summary: 'Ends what was approved to run again; it is at most for the time that was shown',
      scope: 'decide',
      params: idParams,
      query: nothing,
      body: noBody,
      reply: requestReply,
      problems: [404, 409],
      async run({ params, caller }) {
        await endShape(deps, caller.person, params.id);
        return readRequest(deps, caller.person, params.id);
      },
    }),
  ];
}
