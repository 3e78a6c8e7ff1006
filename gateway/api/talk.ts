import { z } from 'zod';
import type { Request } from '#src/approval/request.ts';
import type { NotSaid, Talk, Talked } from '#src/approval/talk.ts';
import type { Caller } from './authenticate.ts';
import type { HttpDeps } from './deps.ts';
import { notFound, Problem } from './problem.ts';
import { nothing, route, type Route } from './route.ts';
import { idParams, requestReply } from './schemas.ts';

const STATUS: Readonly<Record<NotSaid['code'], number>> = {
  'not-found': 404,
  'not-open': 409,
  'not-yours': 403,
  'own-request': 403,
  'no-question': 409,
  'not-valid': 422,
  'too-many': 409,
  'too-soon': 429,
};

const text = z.string().trim().min(1, 'write something').max(2_000);
const group = z.string().trim().min(1).max(200);

/** What somebody does about a request beside deciding it; throws the problem that says why it was not done. */
export async function talk(
  deps: Pick<HttpDeps, 'talk'>,
  { agent }: Pick<Caller, 'agent'>,
  work: (talk: Talk) => Promise<Talked>,
): Promise<Request> {
  if (!deps.talk) throw notFound('page');
  if (agent !== undefined)
    throw new Problem(403, 'agent', 'An agent does not speak for its person: the person has to.');
  const done = await work(deps.talk);
  if (done.ok) return done.request;
  const { code, message } = done.refusal;
  throw new Problem(STATUS[code], code, message);
}

/** Questions, answers, hand-overs and reminders. */
export function talkRoutes(deps: HttpDeps): readonly Route[] {
  return [
    route({
      method: 'POST',
      path: '/requests/{id}/questions',
      summary: 'Ask who wants it a question; they are told at once where they wait',
      scope: 'decide',
      params: idParams,
      query: nothing,
      body: z.strictObject({ text }),
      reply: requestReply,
      problems: [404, 409],
      run: ({ params, body, caller }) =>
        talk(deps, caller, (about) => about.ask(params.id, caller.person, body.text, 'api')),
    }),
    route({
      method: 'POST',
      path: '/requests/{id}/answers',
      summary: 'Answer a question about your own request',
      scope: 'connect',
      params: idParams,
      query: nothing,
      body: z.strictObject({ text, question: z.uuid().optional() }),
      reply: requestReply,
      problems: [404, 409],
      run: ({ params, body, caller }) =>
        talk(deps, caller, (about) =>
          about.answer(params.id, body.question, caller.person, body.text, 'api'),
        ),
    }),
    route({
      method: 'POST',
      path: '/requests/{id}/hand-overs',
      summary: 'Tell another group, which has to agree too where every rule lets you ask that',
      scope: 'decide',
      params: idParams,
      query: nothing,
      body: z.strictObject({ group }),
      reply: requestReply,
      problems: [404, 409],
      run: ({ params, body, caller }) =>
        talk(deps, caller, (about) => about.handOver(params.id, caller.person, body.group, 'api')),
    }),
    route({
      method: 'POST',
      path: '/requests/{id}/reminders',
      summary: 'Remind the groups that have not agreed yet; once in five minutes',
      scope: 'read',
      params: idParams,
      query: nothing,
      body: z.strictObject({}).optional(),
      reply: requestReply,
      problems: [404, 409, 429],
      run: ({ params, caller }) =>
        talk(deps, caller, (about) => about.remind(params.id, caller.person, 'api')),
    }),
  ];
}
