import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { recordsFailures } from '#src/identity/failed.ts';
import { limitFailures } from '../api/authenticate.ts';
import { parse } from '../api/route.ts';
import { startSignIn } from './complete.ts';
import { nextPage } from './guard.ts';
import { signOutAt } from './oidc.ts';
import { samlSignOutAt } from './saml.ts';
import { signedOutPage, signInPage } from './pages/sign-in.ts';
import type { ConsoleParts } from './parts.ts';

const signInQuery = z.object({ next: z.string().max(600).catch('') });
const signInForm = z.strictObject({
  csrf: z.string(),
  next: z.string().max(600).default(''),
  token: z.string().trim().max(512),
});
const signOutForm = z.strictObject({ csrf: z.string() });

/** Sign in with a token, sign out. The cookie's id changes at both, so one that was planted before is worth nothing. */
export function signInRoutes(app: FastifyInstance, parts: ConsoleParts): void {
  const { deps, guard, render, signIns } = parts;
  const failed = recordsFailures(deps.audit);
  const providers = [...deps.identity.providers.values()];
  const shown = (request: FastifyRequest, reply: FastifyReply) => ({
    formToken: render.formToken(request, reply),
    providers,
  });

  app.get('/sign-in', async (request, reply) => {
    const { next } = parse(signInQuery, request.query, 'query');
    if (await guard.signedIn(request)) return reply.redirect(nextPage(next), 303);
    const page = signInPage({ ...shown(request, reply), next: nextPage(next) });
    return render.page(request, reply, page);
  });

  app.post('/sign-in', async (request, reply) => {
    const form = parse(signInForm, request.body, 'form');
    guard.demandOwnForm(request, form.csrf);
    const signedIn = await signIn(parts, request, reply, form.token);
    const next = nextPage(form.next);
    if (signedIn) return reply.redirect(next, 303);
    limitFailures(parts.failures, request.ip);
    failed({ via: 'console', why: 'the token opens nothing here', client: request.ip });
    const problem =
      'This token opens nothing here: it is unknown, expired or revoked, or lacks the scopes read and decide. Issue another one.';
    const page = signInPage({ ...shown(request, reply), next, problem });
    return render.page(request, reply, page, { status: 401 });
  });

  app.post('/sign-out', async (request, reply) => {
    const { csrf } = parse(signOutForm, request.body, 'form');
    guard.demandOwnForm(request, csrf);
    const ended = await signIns.end(guard.cookieOf(request) ?? '', 'signed out');
    const id = signIns.newId();
    guard.setCookie(reply, id);
    request.cookies[guard.cookieName] = id;
    const at =
      (parts.deps.oidc && (await signOutAt(parts, parts.deps.oidc, ended))) ??
      (await samlSignOutAt(parts, ended));
    if (at === undefined) return reply.redirect('/sign-in', 303);
    // Not a redirect: the policy of forms ends at this site.
    return render.page(request, reply.header('refresh', `0; url=${at}`), signedOutPage(at));
  });
}

async function signIn(
  parts: ConsoleParts,
  request: FastifyRequest,
  reply: FastifyReply,
  token: string,
): Promise<boolean> {
  const { deps } = parts;
  const info =
    (await deps.tokens.check(token, 'read')) ?? (await deps.tokens.check(token, 'decide'));
  const person = info && (await deps.directory.find(info.person));
  // Programs do not sign in: from a page, an agent could confirm itself a token of its person.
  if (!info || info.agent !== undefined || !person || person.machine) return false;
  await startSignIn(parts, request, reply, {
    person: person.email,
    token: info.id,
    scopes: info.scopes,
    client: request.ip,
  });
  return true;
}
