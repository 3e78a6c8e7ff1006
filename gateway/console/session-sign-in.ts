import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Oidc } from '#src/identity/oidc/oidc.ts';
import type { OpenSession } from '#src/identity/oidc/session-sign-ins.ts';
import type { Caller } from '../api/authenticate.ts';
import { Problem } from '../api/problem.ts';
import { parse } from '../api/route.ts';
import { idParams } from '../api/schemas.ts';
import { flowUrl } from './oidc.ts';
import { onToProviderPage, sessionSignInPage } from './pages/session-sign-in.ts';
import type { ConsoleParts } from './parts.ts';
import { providerOf } from './step-up.ts';

/** What the provider is asked for; what it answers is compared with the rules, whatever stands here. */
const acrQuery = z.object({
  acr: z
    .string()
    .regex(/^[\w:./ -]{1,400}$/)
    .optional()
    .catch(undefined),
});
const signInForm = z.strictObject({ csrf: z.string() });

/**
 * Where a person signs in anew for one of their open database sessions, so that rules show columns in it. The link shows
 * which session that is; only our own form leads on, so that nobody is sent through by a link alone.
 */
export function sessionSignInRoutes(app: FastifyInstance, parts: ConsoleParts, oidc: Oidc): void {
  const { guard, render } = parts;
  const path = '/sessions/:id/sign-in';
  app.get(path, { exposeHeadRoute: false }, async (request, reply) => {
    const caller = await guard.signedIn(request);
    if (!caller) return reply.redirect(`/sign-in?next=${encodeURIComponent(request.url)}`, 303);
    const session = await own(oidc, caller, request).catch((error: unknown) => {
      if (error instanceof Problem) return error;
      throw error;
    });
    if (session instanceof Problem) return render.problem(request, reply, session, caller);
    const { acr } = parse(acrQuery, request.query, 'query');
    const made = await oidc.sessions.current(session.id, caller.person.email);
    const page = sessionSignInPage(session, {
      formToken: render.formToken(request, reply),
      here: request.ip,
      acr,
      ...(made && { madeAt: new Date(made.authTime).toISOString() }),
      possible: (await providerOf(parts, caller)) !== undefined,
    });
    return render.page(request, reply, page, { caller });
  });

  app.post(path, async (request, reply) => {
    const caller = await guard.signedIn(request);
    if (!caller) return reply.redirect('/sign-in', 303);
    guard.demandOwnForm(request, parse(signInForm, request.body, 'form').csrf);
    const { id } = await own(oidc, caller, request);
    const provider = await providerOf(parts, caller);
    if (provider === undefined) throw noProvider();
    const { acr } = parse(acrQuery, request.query, 'query');
    const stepUp = { session: id, person: caller.person.email };
    const flow = { provider, next: `/sessions/${id}/sign-in`, startedAt: Date.now(), stepUp };
    const asked = acr === undefined ? {} : { acr: acr.split(' ') };
    const url = await flowUrl(parts, oidc, { request, reply, flow, ...asked });
    // Not a redirect: the policy of forms ends at this site.
    const page = onToProviderPage(url);
    return render.page(request, reply.header('refresh', `0; url=${url}`), page, { caller });
  });
}

async function own(
  { sessions }: Oidc,
  { person }: Caller,
  request: FastifyRequest,
): Promise<OpenSession> {
  const { id } = parse(idParams, request.params, 'path');
  const session = await sessions.open(id, person.email);
  if (session) return session;
  throw new Problem(
    404,
    'no-session',
    'No open session of yours has this link: it has ended, is of somebody else, or an agent works in it. An agent’s session is shown nothing by a sign-in.',
  );
}

const noProvider = (): Problem =>
  new Problem(
    403,
    'no-provider',
    'A fresh sign-in for a session needs an OpenID provider that knows you. Sign in by your provider first.',
  );
