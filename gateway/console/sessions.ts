import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Caller } from '../api/authenticate.ts';
import { notFound, Problem } from '../api/problem.ts';
import { maySeeAllRecords } from '../api/rights.ts';
import { parse } from '../api/route.ts';
import { idParams } from '../api/schemas.ts';
import { readSessionFacts, readSessionPart } from '../api/session-view.ts';
import { endReason, endSession, listSessions, mayEndSession } from '../api/sessions.ts';
import { Follow } from './follow.ts';
import type { Page } from './layout.ts';
import { sessionPage } from './pages/session.ts';
import { sessionsPage } from './pages/sessions.ts';
import { terminalPage } from './pages/terminal.ts';
import type { ConsoleParts } from './parts.ts';
import { sessionQuery, sessionsFilter, sessionsQuery, timelineQuery } from './session-query.ts';

const SESSIONS = 50;

type Exchange = { readonly request: FastifyRequest; readonly reply: FastifyReply };
type MakePage = (
  path: string,
  make: (caller: Caller, request: FastifyRequest, reply: FastifyReply) => Promise<Page>,
) => void;

/** Lists of sessions, the page of one, and the form that ends it. */
export function sessionRoutes(app: FastifyInstance, parts: ConsoleParts, page: MakePage): void {
  const { deps, render } = parts;
  page('/sessions', async (caller, request, reply) => {
    const query = parse(sessionsQuery, request.query, 'query');
    const reader = { person: caller.person, via: 'console' } as const;
    const filter = { ...sessionsFilter(query), limit: SESSIONS + 1 };
    const found = await listSessions(deps, reader, filter);
    return sessionsPage({
      query,
      found: found.slice(0, SESSIONS),
      next: found.length > SESSIONS ? found[SESSIONS - 1]?.id : undefined,
      formToken: render.formToken(request, reply),
      mayEnd: ({ person }) => mayEndSession(caller, person),
      everybody: maySeeAllRecords(caller.person),
    });
  });
  page('/sessions/:id', (caller, request, reply) => sessionView(parts, caller, { request, reply }));
  page('/sessions/:id/terminal', async ({ person }, request) => {
    const { id } = parse(idParams, request.params, 'path');
    await readSessionFacts(deps, { person, via: 'console' }, id);
    const info = await deps.recordings?.info(id);
    if (!info || info.protocol === 'postgres') throw notFound('recording of a terminal');
    // The look is recorded when the player fetches the recording.
    return terminalPage(info);
  });
  app.post('/sessions/:id/end', (request, reply) => endRoute(parts, request, reply));
  const follow = new Follow(deps, parts.guard);
  app.addHook('preClose', async () => follow.close());
  app.get('/sessions/:id/live', { exposeHeadRoute: false }, (request, reply) =>
    follow.serve(request, reply),
  );
}

async function sessionView(
  { deps, render }: ConsoleParts,
  caller: Caller,
  { request, reply }: Exchange,
  said: { readonly problem?: string; readonly typed?: string } = {},
): Promise<Page> {
  const { id } = parse(idParams, request.params, 'path');
  const query = parse(sessionQuery, request.query, 'query');
  const reader = { person: caller.person, via: 'console' } as const;
  const { state, person } = await readSessionFacts(deps, reader, id);
  const running = state === 'running';
  const part = await readSessionPart(deps, reader, id, timelineQuery(query, running));
  const mayEnd = running && person !== undefined && mayEndSession(caller, person);
  const narrowed = query.verdict !== undefined || query.statement !== undefined;
  return sessionPage({
    part,
    query,
    live: running && !part.later && !narrowed && deps.recordings !== undefined,
    problem: said.problem,
    end: mayEnd
      ? {
          formToken: render.formToken(request, reply),
          ...(said.typed !== undefined && { typed: said.typed }),
        }
      : undefined,
  });
}

const endForm = z.strictObject({ csrf: z.string(), reason: z.string() });

async function endRoute(
  parts: ConsoleParts,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { deps, guard, render } = parts;
  const { id } = parse(idParams, request.params, 'path');
  const caller = await guard.signedIn(request);
  if (!caller) return reply.redirect(`/sign-in?next=${encodeURIComponent(`/sessions/${id}`)}`, 303);
  const form = parse(endForm, request.body, 'form');
  guard.demandOwnForm(request, form.csrf);
  try {
    const reason = parse(endReason, form.reason, 'reason');
    await endSession(deps, caller, id, { reason, via: 'console' });
    return await reply.redirect(`/sessions/${id}`, 303);
  } catch (error) {
    // What was refused is said on the session's own page, and what was typed is kept.
    if (!(error instanceof Problem) || error.status >= 500 || error.status === 404) throw error;
    const said = { problem: error.message, typed: form.reason };
    const page = await sessionView(parts, caller, { request, reply }, said);
    return render.page(request, reply, page, { status: error.status, caller });
  }
}
