import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { recordsFailures } from '#src/identity/failed.ts';
import { beginFlow, openFlow, type Flow, type StepUpFor } from '#src/identity/oidc/flow.ts';
import type { Oidc } from '#src/identity/oidc/oidc.ts';
import { ProviderAway, type OidcProvider } from '#src/identity/oidc/provider.ts';
import { SignInRefused } from '#src/identity/oidc/refused.ts';
import { authorizationUrl, endSessionUrl, finishSignIn } from '#src/identity/oidc/sign-in.ts';
import { NotWelcome, type Assertion } from '#src/identity/sign-in.ts';
import type { SignIn } from '#src/identity/sign-ins.ts';
import { causeOf, Problem } from '../api/problem.ts';
import { parse } from '../api/route.ts';
import { signInVouched } from './complete.ts';
import { nextPage } from './guard.ts';
import { logoutRoute, sessionHasEnded } from './oidc-logout.ts';
import type { ConsoleParts } from './parts.ts';

const startQuery = z.object({
  next: z.string().max(600).catch(''),
  at: z.literal('public').optional().catch(undefined),
});
const callbackQuery = z.object({ state: z.string().max(4_096) });

/** A state is remembered for as long as it could come again. */
const REMEMBERED_MS = 15 * 60_000;

/** Sign-in by each OpenID provider of the configuration, and what the providers tell us of sign-outs. */
export function oidcRoutes(app: FastifyInstance, parts: ConsoleParts, oidc: Oidc): void {
  const failed = recordsFailures(parts.deps.audit);
  for (const provider of oidc.providers.values()) {
    const path = `/sign-in/${provider.config.name}`;
    // A HEAD, as link previews send it, must not use a sign-in up.
    const once = { exposeHeadRoute: false };
    app.get(path, once, async (request, reply) => {
      const { next, at } = parse(startQuery, request.query, 'query');
      // The provider sends the browser to our public address, where a cookie of another name (localhost) does not go.
      if (at === undefined && request.headers.host !== new URL(parts.deps.publicUrl).host) {
        const there = `${parts.deps.publicUrl}${path}?at=public&next=${encodeURIComponent(next)}`;
        return reply.redirect(there, 303);
      }
      const flow = { provider: provider.config.name, next: nextPage(next), startedAt: Date.now() };
      return startFlow(parts, oidc, { request, reply, flow });
    });
    app.get(`${path}/callback`, once, async (request, reply) =>
      finishFlow({ ...parts, failed }, oidc, provider, { request, reply }),
    );
    logoutRoute(app, parts, oidc, provider);
  }
}

type Exchange = { readonly request: FastifyRequest; readonly reply: FastifyReply };

type FlowAsk = Exchange & { readonly flow: Flow; readonly acr?: readonly string[] };

/** Sends the browser to the provider; what comes back works in this browser only. */
export async function startFlow(
  parts: ConsoleParts,
  oidc: Oidc,
  ask: FlowAsk,
): Promise<FastifyReply> {
  return ask.reply.redirect(await flowUrl(parts, oidc, ask), 303);
}

/** Where `startFlow` sends the browser. */
export async function flowUrl(
  { deps, guard, render }: ConsoleParts,
  { providers, secret }: Oidc,
  ask: FlowAsk,
): Promise<string> {
  const { request, reply, flow, acr } = ask;
  const provider = providers.get(flow.provider);
  // Gives a cookie to who has none.
  render.formToken(request, reply);
  const cookie = guard.cookieOf(request);
  if (!provider || cookie === undefined) throw new Error('there is no such provider or cookie');
  const url = await answered(
    request,
    authorizationUrl(provider, {
      redirectUri: redirectUri(deps.publicUrl, provider),
      secrets: beginFlow(secret, cookie, flow),
      fresh: flow.stepUp !== undefined,
      ...(acr && { acr }),
    }),
  );
  return url.href;
}

const redirectUri = (publicUrl: string, { config }: OidcProvider): string =>
  `${publicUrl}/sign-in/${config.name}/callback`;

async function finishFlow(
  { failed, ...parts }: ConsoleParts & { readonly failed: ReturnType<typeof recordsFailures> },
  oidc: Oidc,
  provider: OidcProvider,
  { request, reply }: Exchange,
): Promise<FastifyReply> {
  const { deps, guard } = parts;
  const { state } = parse(callbackQuery, request.query, 'query');
  const cookie = guard.cookieOf(request);
  const opened = cookie === undefined ? undefined : openFlow(oidc.secret, cookie, state);
  const mine = opened?.flow.provider === provider.config.name;
  if (!opened || !mine || !(await oidc.store.once(['state', state], Date.now() + REMEMBERED_MS)))
    throw new Problem(
      403,
      'foreign-sign-in',
      'This sign-in was not begun in this browser, is older than ten minutes, or was finished already. Open the sign-in page and begin again.',
    );
  const { flow, secrets } = opened;
  const url = new URL(redirectUri(deps.publicUrl, provider));
  url.search = request.url.slice(request.url.indexOf('?'));
  try {
    const assertion = await answered(request, finishSignIn(provider, url, secrets));
    if (flow.stepUp) demandFresh(provider, assertion, flow);
    const signIn = await signInVouched(parts, request, reply, assertion, purposeOf(flow));
    if (await sessionHasEnded(oidc, assertion)) {
      await deps.signIns.revoke(signIn.id, 'signed out at the provider');
      throw refused('signed-out', `You have signed out at ${provider.config.label} meanwhile.`);
    }
    await rememberStepUp({ ...oidc, chat: deps.chat }, provider, flow, signIn);
    return await reply.redirect(nextPage(flow.next), 303);
  } catch (error) {
    if (error instanceof SignInRefused) {
      const { code, message: why } = error;
      failed({ via: 'console', provider: flow.provider, code, why, client: request.ip });
    }
    throw error instanceof NotWelcome ? new Problem(403, 'not-welcome', error.message) : error;
  }
}

const refused = (code: string, message: string): SignInRefused => new SignInRefused(code, message);

/** Without whose it is: that goes into the record by itself. */
function purposeOf({ stepUp }: Flow): StepUpFor | undefined {
  if (!stepUp) return undefined;
  if ('chatLink' in stepUp) return { chatLink: stepUp.chatLink };
  return 'request' in stepUp ? { request: stepUp.request } : { session: stepUp.session };
}

async function rememberStepUp(
  { store, sessions, chat }: Oidc & { readonly chat: ConsoleParts['deps']['chat'] },
  { config }: OidcProvider,
  { stepUp }: Flow,
  signIn: SignIn,
): Promise<void> {
  if (!stepUp) return;
  if ('session' in stepUp) await sessions.remember(stepUp.session, signIn);
  else if ('chatLink' in stepUp) await chat?.links.signedIn(stepUp.chatLink, signIn);
  else
    await store.rememberStepUp(signIn.id, {
      request: stepUp.request,
      skewMs: config.clockSkewMs,
    });
}

/** What a rule wants of a fresh sign-in: the same person, who has proved it again since we asked. */
function demandFresh({ config }: OidcProvider, assertion: Assertion, flow: Flow): void {
  const { label, clockSkewMs } = config;
  const { authTime, email } = assertion;
  if (email !== flow.stepUp?.person)
    throw refused('step-up-other', `This sign-in was asked of ${flow.stepUp?.person ?? ''}.`);
  if (authTime === undefined)
    throw refused(
      'step-up-no-auth-time',
      `${label} does not say when you signed in, so its sign-in is not a fresh one. The operator can have it send auth_time.`,
    );
  // Times of tokens are in whole seconds.
  if (authTime < Math.floor(flow.startedAt / 1_000) * 1_000 - clockSkewMs)
    throw refused(
      'step-up-old',
      `${label} did not ask you to sign in anew, so this sign-in is not a fresh one.`,
    );
}

/** A provider that does not answer is a 503 that says so; the cause goes to the log. */
async function answered<T>(request: FastifyRequest, asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    if (!(error instanceof ProviderAway)) throw error;
    request.log.warn({ cause: causeOf(error.cause) }, error.message);
    throw new Problem(503, 'provider-away', error.message);
  }
}

/** Where to send the browser after a sign-out here, so that it is one at the provider too; undefined when it takes none. */
export async function signOutAt(
  { deps }: ConsoleParts,
  { providers }: Oidc,
  signIn: SignIn | undefined,
): Promise<string | undefined> {
  const provider = providers.get(signIn?.provider ?? '');
  if (!signIn || !provider) return undefined;
  const idToken = await deps.signIns.idToken(signIn.id);
  const back = `${deps.publicUrl}/sign-in`;
  const url = await endSessionUrl(provider, { ...(idToken !== undefined && { idToken }), back })
    // Signed out here they are in any case.
    .catch(() => undefined);
  return url?.href;
}
