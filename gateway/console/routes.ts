import formbody from '@fastify/formbody';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { demandScope, type Caller } from '../api/authenticate.ts';
import { decide } from '../api/deciding.ts';
import { causeOf, Problem, toProblem } from '../api/problem.ts';
import {
  listRequests,
  readRecord,
  readRequest,
  readSession,
  reviewRequest,
  searchRecords,
} from '../api/reading.ts';
import { mayDecide } from '../api/rights.ts';
import { parse } from '../api/route.ts';
import { idParams, reasonText } from '../api/schemas.ts';
import { assetRoutes } from './assets.ts';
import { Live } from './live.ts';
import type { Page } from './layout.ts';
import { inboxPage } from './pages/inbox.ts';
import { recordPage } from './pages/record.ts';
import { recordsPage, sessionPage } from './pages/records.ts';
import { requestPage } from './pages/request.ts';
import { signInRoutes, type ConsoleParts } from './sign-in.ts';

const RECORDS = 50;
const recordsQuery = z.object({ q: z.string().trim().max(500).catch('') });
const decisionForm = z.strictObject({
  csrf: z.string(),
  version: z.coerce.number().int().min(1),
  decision: z.enum(['approve', 'deny']),
  reason: reasonText.default(''),
});

/** The web console: pages for who is signed in, one form that decides, and the stream that says what changed. */
export async function registerConsole(app: FastifyInstance, parts: ConsoleParts): Promise<void> {
  const { deps, guard, render } = parts;
  await app.register(formbody);
  app.setErrorHandler(async (error, request, reply) => {
    const problem = toProblem(error);
    if (problem.status >= 500)
      request.log.error({ cause: causeOf(error), code: problem.code }, 'could not answer');
    return render.problem(request, reply, problem);
  });
  assetRoutes(app);
  signInRoutes(app, parts);

  /** A page for who is signed in; everybody else is led to the sign-in and back. */
  const page = (
    path: string,
    make: (caller: Caller, request: FastifyRequest, reply: FastifyReply) => Promise<Page>,
  ): void => {
    app.get(path, async (request, reply) => {
      const caller = await guard.signedIn(request);
      if (!caller) return reply.redirect(`/sign-in?next=${encodeURIComponent(request.url)}`, 303);
      try {
        return render.page(request, reply, await make(caller, request, reply), { caller });
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        return render.problem(request, reply, error, caller);
      }
    });
  };

  page('/', async ({ person, scopes }) => {
    const [pending, all] = await Promise.all([
      listRequests(deps, person, { states: ['pending'] }),
      listRequests(deps, person, {}),
    ]);
    return inboxPage(person, scopes.includes('decide'), { pending, all, rules: deps.rules?.() });
  });
  page('/requests/:id', async (caller, request, reply) =>
    requestView(parts, caller, { request, reply }),
  );
  page('/records', async ({ person }, request) => {
    const { q } = parse(recordsQuery, request.query, 'query');
    const found = await searchRecords(deps, { person, via: 'console' }, q, RECORDS);
    return recordsPage(q, RECORDS, found);
  });
  page('/records/:id', async ({ person }, request) => {
    const { id } = parse(idParams, request.params, 'path');
    return recordPage(await readRecord(deps, { person, via: 'console' }, id));
  });
  page('/sessions/:id', async ({ person }, request) => {
    const { id } = parse(idParams, request.params, 'path');
    return sessionPage(await readSession(deps, { person, via: 'console' }, id));
  });

  app.post('/requests/:id/decision', (request, reply) => decisionRoute(parts, request, reply));

  const live = new Live(deps, parts.signIns, guard, (error) =>
    app.log.warn({ cause: causeOf(error) }, 'live pages missed news and were told to reload'),
  );
  app.addHook('onClose', async () => live.close());
  app.get('/events', { exposeHeadRoute: false }, (request, reply) => live.open(request, reply));
}

type Exchange = { readonly request: FastifyRequest; readonly reply: FastifyReply };
type Said = { readonly problem: string; readonly typed: string };

async function requestView(
  { deps, render }: ConsoleParts,
  caller: Caller,
  { request, reply }: Exchange,
  said?: Said,
): Promise<Page> {
  const { id } = parse(idParams, request.params, 'path');
  const found = await readRequest(deps, caller.person, id);
  const review = mayDecide(caller.person, found)
    ? await reviewRequest(deps, { person: caller.person, via: 'console' }, found)
    : undefined;
  const formToken = render.formToken(request, reply);
  return requestPage({ request: found, caller, formToken, review, ...said });
}

async function decisionRoute(
  parts: ConsoleParts,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { deps, guard, render } = parts;
  const { id } = parse(idParams, request.params, 'path');
  const caller = await guard.signedIn(request);
  if (!caller) return reply.redirect(`/sign-in?next=${encodeURIComponent(`/requests/${id}`)}`, 303);
  const form = parse(decisionForm, request.body, 'form');
  guard.demandOwnForm(request, form.csrf);
  try {
    demandScope(caller.scopes, 'decide');
    const { decision, reason, version } = form;
    if (decision === 'deny' && reason === '')
      throw new Problem(
        422,
        'reason-required',
        'A denial needs a reason. Write one, then deny again.',
      );
    await decide(deps, caller.person, id, { decision, reason, version, via: 'console' });
    return await reply.redirect(`/requests/${id}`, 303);
  } catch (error) {
    // A refused decision is said on the request's own page, and what was typed is kept.
    if (!(error instanceof Problem) || error.status >= 500) throw error;
    const said = { problem: error.message, typed: form.reason };
    const page = await requestView(parts, caller, { request, reply }, said);
    return render.page(request, reply, page, { status: error.status, caller });
  }
}
