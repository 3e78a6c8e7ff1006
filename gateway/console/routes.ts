import formbody from '@fastify/formbody';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Request } from '#src/approval/request.ts';
import { authority } from '#src/approval/tally.ts';
import { personKey } from '#src/identity/people.ts';
import type { Person } from '#src/identity/person.ts';
import { demandScope, type Caller } from '../api/authenticate.ts';
import { decide, endShape } from '../api/deciding.ts';
import type { HttpDeps } from '../api/deps.ts';
import { causeOf, Problem, toProblem } from '../api/problem.ts';
import {
  listRequests,
  readRecord,
  readRequest,
  reviewRequest,
  searchRecords,
} from '../api/reading.ts';
import { mayDecide } from '../api/rights.ts';
import { durationText } from '../api/grants.ts';
import { parse } from '../api/route.ts';
import { idParams, reasonText } from '../api/schemas.ts';
import { accountRoutes } from './account.ts';
import { assetRoutes } from './assets.ts';
import { chatLinkRoutes } from './chat-link.ts';
import { connectRoutes } from './connect.ts';
import { deviceRoutes } from './device.ts';
import {
  ENDED,
  inboxQuery,
  type InboxQuery,
  recordsPart,
  recordsQuery,
  recordsSearch,
  requestFilter,
  tidied,
} from './filters.ts';
import { Live } from './live.ts';
import type { Page } from './layout.ts';
import { oidcRoutes } from './oidc.ts';
import { inboxPage, type Lists } from './pages/inbox.ts';
import { recordPage } from './pages/record.ts';
import { recordsPage } from './pages/records.ts';
import { requestPage } from './pages/request.ts';
import type { TalkForms } from './pages/talk.ts';
import type { ConsoleParts } from './parts.ts';
import { verifyRoutes } from './verify.ts';
import { samlRoutes } from './saml.ts';
import { roleFormsOf, roleRoutes } from './roles.ts';
import { incidentPages } from './incidents.ts';
import { searchPages } from './searching.ts';
import { sessionRoutes } from './sessions.ts';
import { talkForms } from './talk.ts';
import { sessionSignInRoutes } from './session-sign-in.ts';
import { signInRoutes } from './sign-in.ts';
import { stepUpOf, stepUpRoute, stepUpView } from './step-up.ts';

/** How many are on a page. */
const RECORDS = 50;
const REQUESTS = 25;
/** In the inbox before a filter narrows it. */
const WAITING = 100;
const LATELY = 8;
const decisionForm = z.strictObject({
  csrf: z.string(),
  version: z.coerce.number().int().min(1),
  decision: z.enum(['approve', 'approve-shape', 'deny']),
  reason: reasonText.default(''),
  /** Of a role, where it is to be shorter. */
  duration: z.string().max(20).default(''),
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
  if (deps.oidc) {
    oidcRoutes(app, parts, deps.oidc);
    stepUpRoute(app, parts, deps.oidc);
    sessionSignInRoutes(app, parts, deps.oidc);
  }
  if (deps.saml) samlRoutes(app, parts, deps.saml);
  deviceRoutes(app, parts);
  accountRoutes(app, parts);
  connectRoutes(app, parts);
  chatLinkRoutes(app, parts);

  /** A page for who is signed in; everybody else is led to the sign-in and back. */
  const page = (
    path: string,
    make: (caller: Caller, request: FastifyRequest, reply: FastifyReply) => Promise<Page>,
  ): void => {
    app.get(path, async (request, reply) => {
      const caller = await guard.signedIn(request);
      if (!caller) return reply.redirect(`/sign-in?next=${encodeURIComponent(request.url)}`, 303);
      const shorter = tidied(request.url);
      if (shorter !== undefined) return reply.redirect(shorter, 303);
      try {
        return render.page(request, reply, await make(caller, request, reply), { caller });
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        return render.problem(request, reply, error, caller);
      }
    });
  };

  page('/', async ({ person, scopes }, request) => {
    const query = parse(inboxQuery, request.query, 'query');
    const common = { query, canDecide: scopes.includes('decide'), rules: deps.rules?.() };
    return inboxPage(person, { ...common, ...(await inboxLists(deps, person, query)) });
  });
  page('/requests/:id', async (caller, request, reply) =>
    requestView(parts, caller, { request, reply }),
  );
  if (deps.search) searchPages(app, parts, page);
  else
    page('/records', async ({ person }, request) => {
      const query = parse(recordsQuery, request.query, 'query');
      const reader = { person, via: 'console' } as const;
      const search = recordsSearch(query);
      const found = await searchRecords(deps, reader, search, RECORDS + 1, recordsPart(query));
      return recordsPage(query, ...firstOf(found, RECORDS));
    });
  page('/records/:id', async ({ person }, request) => {
    const { id } = parse(idParams, request.params, 'path');
    return recordPage(await readRecord(deps, { person, via: 'console' }, id));
  });
  if (deps.incidents) incidentPages(parts, deps.incidents, page);
  sessionRoutes(app, parts, page);
  if (deps.access) roleRoutes(app, parts, deps.access, page);
  verifyRoutes(app, parts);

  if (deps.talk)
    talkForms(app, parts, (caller, exchange, problem) =>
      requestView(parts, caller, exchange, { problem, typed: '' }),
    );
  app.post('/requests/:id/shape', (request, reply) => shapeRoute(parts, request, reply));
  app.post('/requests/:id/decision', (request, reply) => decisionRoute(parts, request, reply));

  const live = new Live(deps, parts.signIns, guard, (error) =>
    app.log.warn({ cause: causeOf(error) }, 'live pages missed news and were told to reload'),
  );
  app.addHook('onClose', async () => live.close());
  app.get('/events', { exposeHeadRoute: false }, (request, reply) => live.open(request, reply));
}

/** The first of them, and the id of the last one shown when there are more. */
function firstOf<T extends { readonly id: string }>(
  found: readonly T[],
  most: number,
): [readonly T[], string | undefined] {
  const shown = found.slice(0, most);
  return [shown, found.length > most ? shown.at(-1)?.id : undefined];
}

async function inboxLists(deps: HttpDeps, person: Person, query: InboxQuery): Promise<Lists> {
  const asksFor = Object.values(query).some((value) => value !== undefined);
  if (asksFor) {
    const filter = { ...requestFilter(person, query), limit: REQUESTS + 1 };
    const [found, next] = firstOf(await listRequests(deps, person, filter), REQUESTS);
    return { found, next };
  }
  const [pending, ended] = await Promise.all([
    listRequests(deps, person, { states: ['pending'], limit: WAITING + 1 }),
    listRequests(deps, person, { states: ENDED, limit: LATELY }),
  ]);
  return { pending: pending.slice(0, WAITING), more: pending.length > WAITING, ended };
}

type Exchange = { readonly request: FastifyRequest; readonly reply: FastifyReply };
type Said = { readonly problem: string; readonly typed: string };

async function requestView(
  parts: ConsoleParts,
  caller: Caller,
  { request, reply }: Exchange,
  said?: Said,
): Promise<Page> {
  const { deps, render } = parts;
  const { id } = parse(idParams, request.params, 'path');
  const found = await readRequest(deps, caller.person, id);
  const review = mayDecide(caller.person, found)
    ? await reviewRequest(deps, { person: caller.person, via: 'console' }, found)
    : undefined;
  const formToken = render.formToken(request, reply);
  return requestPage({
    request: found,
    caller,
    formToken,
    review,
    stepUp: await stepUpView(parts, caller, found),
    role: await roleFormsOf(parts, caller, found),
    talk: talkOf(deps, caller, found),
    rules: deps.rules?.(),
    ...said,
  });
}

/** What they may say about it, beside deciding it. */
function talkOf({ talk }: HttpDeps, { person, scopes }: Caller, request: Request): TalkForms {
  const open = talk !== undefined && request.state === 'pending' && !person.machine;
  const own = personKey(request.card.person.email) === personKey(person.email);
  const decides = open && !own && scopes.includes('decide');
  return {
    mayAsk: decides,
    mayAnswer: open && own,
    mayRemind: open && request.requirement.groups.length > 0,
    others: decides && authority(request, person).length > 0 ? talk.others(request) : [],
  };
}

/** Ends what was approved to run again. */
async function shapeRoute(
  parts: ConsoleParts,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { deps, guard, render } = parts;
  const { id } = parse(idParams, request.params, 'path');
  const caller = await guard.signedIn(request);
  if (!caller) return reply.redirect(`/sign-in?next=${encodeURIComponent(`/requests/${id}`)}`, 303);
  const { csrf } = parse(z.strictObject({ csrf: z.string() }), request.body, 'form');
  guard.demandOwnForm(request, csrf);
  try {
    demandScope(caller.scopes, 'decide');
    await endShape(deps, caller.person, id);
    return await reply.redirect(`/requests/${id}`, 303);
  } catch (error) {
    if (!(error instanceof Problem) || error.status >= 500) throw error;
    const said = { problem: error.message, typed: '' };
    const page = await requestView(parts, caller, { request, reply }, said);
    return render.page(request, reply, page, { status: error.status, caller });
  }
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
    const { reason, version } = form;
    const decision = form.decision === 'deny' ? 'deny' : 'approve';
    if (decision === 'deny' && reason === '')
      throw new Problem(
        422,
        'reason-required',
        'A denial needs a reason. Write one, then deny again.',
      );
    const stepUp = await stepUpOf(parts, caller, id);
    await decide(deps, caller.person, id, {
      decision,
      reason,
      version,
      via: 'console',
      ...(stepUp && { stepUp }),
      ...(form.decision === 'approve-shape' && { shape: true }),
      ...(decision === 'approve' &&
        form.duration.trim() !== '' && { durationMs: parse(durationText, form.duration, 'form') }),
    });
    return await reply.redirect(`/requests/${id}`, 303);
  } catch (error) {
    // A refused decision is said on the request's own page, and what was typed is kept.
    if (!(error instanceof Problem) || error.status >= 500) throw error;
    const said = { problem: error.message, typed: form.reason };
    const page = await requestView(parts, caller, { request, reply }, said);
    return render.page(request, reply, page, { status: error.status, caller });
  }
}
