import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { SamlConfig } from '#src/config/identity.ts';
import { NotSetUp, SamlRefused } from '#src/identity/saml/refuse.ts';
import { type Incoming, SamlService } from '#src/identity/saml/service.ts';
import type { SamlStore } from '#src/identity/saml/store.ts';
import { secretHash } from '#src/identity/secret.ts';
import type { SignIn } from '#src/identity/sign-ins.ts';
import { Problem } from '../api/problem.ts';
import { parse } from '../api/route.ts';
import { completeSignIn } from './complete.ts';
import { nextPage } from './guard.ts';
import { CSP, layout, type Page } from './layout.ts';
import { errorPage } from './pages/error.ts';
import { goOnPage, signedOutPage } from './pages/saml.ts';
import type { ConsoleParts } from './parts.ts';

/** A message of 256 KiB in Base64, with its signs written for a form. */
const BODY_BYTES = 450_000;

const startQuery = z.object({ next: z.string().max(600).catch('') });
const message = z.string().max(BODY_BYTES);
/** 80 bytes is what SAML allows (saml-bindings 3.4.3). */
const relayState = z.string().max(80).optional();
const answerForm = z.object({ SAMLResponse: message, RelayState: relayState });
const finishForm = z.object({ ticket: z.string().max(100) });
const logoutForm = z.object({
  SAMLRequest: message.default(''),
  SAMLResponse: message.optional(),
  RelayState: relayState,
});
type LogoutForm = z.output<typeof logoutForm>;

type Exchange = { readonly request: FastifyRequest; readonly reply: FastifyReply };
type Provider = { readonly config: SamlConfig; readonly service: SamlService };

/** Sign-in by each SAML provider of the configuration, and single logout in both directions. */
export function samlRoutes(app: FastifyInstance, parts: ConsoleParts, store: SamlStore): void {
  const providers = providersOf(parts, store);
  app.addHook('onReady', () => checkFiles(app, providers));
  for (const provider of providers) {
    const { config, service } = provider;
    const base = `/saml/${config.name}`;
    // A HEAD, as link previews send it, must not use anything up.
    const once = { exposeHeadRoute: false };

    app.get(`${base}/metadata`, async (request, reply) => {
      const metadata = await answered(request, config, service.metadata());
      return reply.type('application/samlmetadata+xml; charset=utf-8').send(metadata);
    });
    app.get(`/sign-in/${config.name}`, once, async (request, reply) =>
      begin(parts, provider, { request, reply }),
    );
    app.post(`${base}/acs`, { bodyLimit: BODY_BYTES }, async (request, reply) =>
      fromElsewhere(parts, config, { request, reply }, async () => {
        const form = parse(answerForm, request.body, 'form');
        const ticket = await service.take(form.SAMLResponse, form.RelayState);
        return bare(reply, goOnPage(`${base}/finish`, ticket, config.label));
      }),
    );
    app.post(`${base}/finish`, async (request, reply) =>
      finish(parts, store, config, { request, reply }),
    );

    app.get(`${base}/slo`, once, async (request, reply) =>
      fromElsewhere(parts, config, { request, reply }, async () => {
        const query = request.url.slice(request.url.indexOf('?') + 1);
        const form = parse(logoutForm, request.query, 'query');
        return hear(parts, provider, reply, form, { binding: 'redirect', query });
      }),
    );
    app.post(`${base}/slo`, { bodyLimit: BODY_BYTES }, async (request, reply) =>
      fromElsewhere(parts, config, { request, reply }, async () => {
        const form = parse(logoutForm, request.body, 'form');
        return hear(parts, provider, reply, form, { binding: 'post', message: form.SAMLRequest });
      }),
    );
  }
}

/** Says at the start what would else be found out at the first sign-in. */
async function checkFiles(app: FastifyInstance, providers: readonly Provider[]): Promise<void> {
  for (const { config, service } of providers)
    // oxlint-disable-next-line no-await-in-loop -- a few small files
    await service.metadata().catch((error: unknown) => {
      if (!(error instanceof NotSetUp)) throw error;
      const { name } = config;
      app.log.error({ provider: name, problem: error.message }, 'nobody can sign in there');
    });
}

/** Where to send the browser after a sign-out here, so that it is one at the provider too; undefined when it takes none. */
export async function samlSignOutAt(
  parts: ConsoleParts,
  signIn: SignIn | undefined,
): Promise<string | undefined> {
  const { deps } = parts;
  if (!deps.saml || !signIn) return undefined;
  const provider = providersOf(parts, deps.saml).find(
    ({ config }) => config.name === signIn.provider,
  );
  const kept = provider && (await deps.signIns.idToken(signIn.id));
  if (kept === undefined) return undefined;
  // Signed out here they are in any case.
  return provider?.service.signOut(kept, signIn.sid).catch(() => undefined);
}

function providersOf({ deps }: ConsoleParts, store: SamlStore): readonly Provider[] {
  return [...deps.identity.providers.values()].flatMap((config) =>
    config.protocol === 'saml'
      ? [{ config, service: new SamlService(config, deps.publicUrl, store) }]
      : [],
  );
}

/** Sends the browser to the provider; what comes back works in this browser only. */
async function begin(
  { guard, render, signIns }: ConsoleParts,
  { config, service }: Provider,
  { request, reply }: Exchange,
): Promise<FastifyReply> {
  const { next } = parse(startQuery, request.query, 'query');
  // Gives a cookie to who has none.
  render.formToken(request, reply);
  const cookie = guard.cookieOf(request);
  if (cookie === undefined)
    throw new Problem(
      400,
      'no-cookie',
      "Your browser sends more than one cookie of the console. Delete this site's cookies and begin again.",
    );
  const browser = secretHash(signIns.formToken(cookie));
  const url = await answered(request, config, service.begin(browser, nextPage(next)));
  return reply.redirect(url, 303);
}

/** The browser comes back with its cookie: only now is it known whether it is the one that began. */
async function finish(
  parts: ConsoleParts,
  store: SamlStore,
  config: SamlConfig,
  { request, reply }: Exchange,
): Promise<FastifyReply> {
  const { guard, signIns } = parts;
  const { ticket } = parse(finishForm, request.body, 'form');
  const cookie = guard.cookieOf(request);
  const browser = cookie === undefined ? undefined : secretHash(signIns.formToken(cookie));
  const done = guard.fromOwnPage(request)
    ? await store.finish(config.name, ticket, browser)
    : undefined;
  if (done) return completeSignIn(parts, request, reply, done.assertion, done.next);
  await recordFailure(parts, config, request, 'it was not begun in this browser');
  throw new Problem(
    403,
    'foreign-sign-in',
    'This sign-in was not begun in this browser, is older than ten minutes, or was finished already. Open the sign-in page and begin again.',
  );
}

async function hear(
  { deps }: ConsoleParts,
  { config, service }: Provider,
  reply: FastifyReply,
  { SAMLRequest, SAMLResponse, RelayState }: LogoutForm,
  incoming: Incoming,
): Promise<FastifyReply> {
  // The answer to our own request changes nothing, so nothing of it is read: some providers do not sign it.
  if (SAMLResponse !== undefined && SAMLRequest === '') return reply.redirect('/sign-in', 303);
  const why = `signed out at ${config.label}`;
  const back = await service.hear(incoming, RelayState, (person) => deps.people.end(person, why));
  return back === undefined ? bare(reply, signedOutPage(config.label)) : reply.redirect(back, 303);
}

/**
 * Another site sends the browser here, so it comes without our cookie and must not be given one: that would take the
 * place of the one it has. Refusals are recorded.
 */
async function fromElsewhere(
  parts: ConsoleParts,
  config: SamlConfig,
  { request, reply }: Exchange,
  work: () => Promise<FastifyReply>,
): Promise<FastifyReply> {
  try {
    return await answered(request, config, work());
  } catch (error) {
    if (error instanceof SamlRefused) await recordFailure(parts, config, request, error.why);
    const problem =
      error instanceof SamlRefused ? new Problem(403, 'not-welcome', error.message) : error;
    if (!(problem instanceof Problem)) throw error;
    return bare(reply, errorPage(problem), problem.status);
  }
}

/** A page without cookie and form token. */
function bare(reply: FastifyReply, page: Page, status = 200): FastifyReply {
  return reply
    .code(status)
    .header('content-security-policy', CSP)
    .type('text/html; charset=utf-8')
    .send(layout({ caller: undefined, formToken: '' }, page));
}

/** Strangers can send as much as they like; what is refused is recorded up to the limit of their address. */
async function recordFailure(
  { deps, failures }: ConsoleParts,
  { name }: SamlConfig,
  request: FastifyRequest,
  failed: string,
): Promise<void> {
  const flood = failures.wait(request.ip) > 0;
  failures.add(request.ip);
  if (flood) return;
  await deps.audit.append({
    kind: 'sign-in',
    body: { via: 'console', provider: name, failed, client: request.ip },
  });
}

/** What the operator has to put right is in the log, and nobody signs in until then. */
async function answered<T>(
  request: FastifyRequest,
  { name, label }: SamlConfig,
  asked: Promise<T>,
): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    if (!(error instanceof NotSetUp)) throw error;
    request.log.error({ provider: name, problem: error.message }, 'nobody can sign in there');
    throw new Problem(
      503,
      'provider-not-set-up',
      `Nobody can sign in by ${label} now: its certificates or ours cannot be used. Ask the operator; the log of the gateway says why.`,
    );
  }
}
