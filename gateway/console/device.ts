import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Decider } from '#src/identity/devices.ts';
import type { Scope } from '#src/identity/token.ts';
import type { Caller } from '../api/authenticate.ts';
import { Problem } from '../api/problem.ts';
import { parse } from '../api/route.ts';
import type { OauthDeps } from '../oauth/deps.ts';
import { confirmPage, decidedPage, devicePage } from './pages/device.ts';
import type { ConsoleParts } from './parts.ts';

const codeText = z.string().trim().max(20);
const codeQuery = z.object({ code: codeText.catch('').default('') });
const codeForm = z.strictObject({ csrf: z.string(), code: codeText });
const decisionForm = z.strictObject({
  csrf: z.string(),
  login: z.string().max(64),
  decision: z.enum(['approve', 'deny']),
});

const GONE = 'No terminal waits with this code: it is mistyped, used, or older than ten minutes.';
/** What a terminal can have at most; never decide. */
const SCOPES: readonly Scope[] = ['connect', 'read'];
const WORDS: Readonly<Record<Scope, string>> = {
  connect: 'open databases',
  read: 'read requests and records',
  decide: '',
};

const NOTHING: HandedOn = { scopes: [], lifetimeMs: 0 };

type Exchange = { readonly request: FastifyRequest; readonly reply: FastifyReply };

/**
 * Where a person signs a terminal in (RFC 8628 section 3.3). Opening a link looks nothing up and confirms nothing: each
 * step is a form of our own page, sent by somebody who is signed in.
 */
export function deviceRoutes(app: FastifyInstance, parts: ConsoleParts): void {
  const { oauth } = parts.deps;
  if (!oauth) return;
  app.get('/device', async (request, reply) => {
    const { code } = parse(codeQuery, request.query, 'query');
    const caller = await parts.guard.signedIn(request);
    if (!caller) return toSignIn(reply, code);
    const page = devicePage({ formToken: parts.render.formToken(request, reply) }, code);
    return parts.render.page(request, reply, page, { caller });
  });
  app.post('/device', (request, reply) => look(parts, oauth, { request, reply }));
  app.post('/device/decision', (request, reply) => decide(parts, oauth, { request, reply }));
}

function toSignIn(reply: FastifyReply, code: string): FastifyReply {
  const next = code === '' ? '/device' : `/device?code=${encodeURIComponent(code)}`;
  return reply.redirect(`/sign-in?next=${encodeURIComponent(next)}`, 303);
}

async function look(
  { guard, render }: ConsoleParts,
  oauth: OauthDeps,
  { request, reply }: Exchange,
): Promise<FastifyReply> {
  const caller = await guard.signedIn(request);
  if (!caller) return toSignIn(reply, '');
  const form = parse(codeForm, request.body, 'form');
  guard.demandOwnForm(request, form.csrf);
  const { scopes } = handedOn(caller, oauth);
  const found = await oauth.devices.find(form.code, caller.person.email);
  const formToken = render.formToken(request, reply);
  if (found.kind === 'found') {
    const { email } = caller.person;
    const grants = scopes.map((scope) => WORDS[scope]).join(', ');
    const page = confirmPage({ formToken }, found.login, { email, here: request.ip, grants });
    return render.page(request, reply, page, { caller });
  }
  const problem =
    found.kind === 'wait' ? `Too many wrong codes. Try again in ${found.seconds} s.` : GONE;
  const page = devicePage({ formToken, problem }, '');
  return render.page(request, reply, page, { caller, status: found.kind === 'wait' ? 429 : 404 });
}

async function decide(
  { deps, guard, render }: ConsoleParts,
  oauth: OauthDeps,
  { request, reply }: Exchange,
): Promise<FastifyReply> {
  const caller = await guard.signedIn(request);
  if (!caller) return toSignIn(reply, '');
  const form = parse(decisionForm, request.body, 'form');
  guard.demandOwnForm(request, form.csrf);
  const decided = await oauth.devices.decide(form.login, form.decision, {
    person: caller.person.email,
    address: request.ip,
    ...(form.decision === 'approve' ? handedOn(caller, oauth) : NOTHING),
    stands: (sql) => deps.signIns.stands(sql, caller.signIn?.id ?? ''),
  });
  if (!decided) {
    const page = devicePage({ formToken: render.formToken(request, reply), problem: GONE }, '');
    return render.page(request, reply, page, { caller, status: 409 });
  }
  return render.page(request, reply, decidedPage(form.decision === 'approve'), { caller });
}

type HandedOn = Pick<Decider, 'scopes' | 'lifetimeMs' | 'parent'>;

/** What this sign-in can give to a terminal. One that was made with a token gives no more than that, and no longer. */
function handedOn({ scopes: own, person, signIn }: Caller, oauth: OauthDeps): HandedOn {
  if (person.machine || !signIn)
    throw new Problem(403, 'people-only', 'Only a person who is signed in here confirms this.');
  const parent = signIn.token;
  const scopes = SCOPES.filter((scope) => parent === undefined || own.includes(scope));
  if (!scopes.includes('connect'))
    throw new Problem(
      403,
      'missing-scope',
      'You have signed in with a token that lacks the scope connect, so it cannot sign in a terminal. Sign in with one that has it.',
    );
  return { scopes, lifetimeMs: oauth.lifetimeMs(), parent };
}
