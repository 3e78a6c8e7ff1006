import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { IdentityConfig } from '#src/config/identity.ts';
import type { Scope, TokenKind } from '#src/identity/token.ts';
import {
  endAccess,
  readAccess,
  revokeSignIn,
  revokeToken,
  setState,
  signOutEverywhere,
  unlinkChat,
} from '../api/access.ts';
import { demandScope, type Caller } from '../api/authenticate.ts';
import { notFound, Problem } from '../api/problem.ts';
import { recordLook } from '../api/reading.ts';
import { mayAdminister } from '../api/rights.ts';
import { parse } from '../api/route.ts';
import { absencesOf, awayForm, backForm, sayAway, sayBack } from './absences.ts';
import { notWelcome } from './complete.ts';
import { accountPage, type NewToken } from './pages/account.ts';
import { peoplePage, personPage } from './pages/people.ts';
import type { ConsoleParts } from './parts.ts';

const HOUR_MS = 3_600_000;
const LIFETIMES = [HOUR_MS, 8 * HOUR_MS, 24 * HOUR_MS, 72 * HOUR_MS];
/** Live at once; who has lost count revokes some first. */
const MOST_TOKENS = 50;

const csrf = z.string();
const accountForm = z.strictObject({
  csrf,
  act: z.enum([
    'revoke-token',
    'end-sign-in',
    'unlink-chat',
    'sign-out-everywhere',
    'end-everything',
  ]),
  id: z.uuid().optional(),
  account: z.string().max(220).optional(),
});
const personForm = z.strictObject({
  ...accountForm.shape,
  act: z.enum([...accountForm.shape.act.options, 'activate', 'deactivate', 'release']),
});
const tokenForm = z.strictObject({
  csrf,
  label: z
    .string()
    .trim()
    .min(1, 'say what it is for')
    .max(60)
    .regex(/^[^\p{C}\p{Zl}\p{Zp}]*$/u, 'holds a character that cannot be seen'),
  lifetime: z.coerce.number().int(),
});
const personParams = z.strictObject({ email: z.string().min(3).max(254) });
const peopleQuery = z.object({ email: z.string().trim().max(254).catch('') });

type Act = z.output<typeof personForm>['act'];
type Asked = Pick<z.output<typeof personForm>, 'act' | 'id' | 'account'>;
type Exchange = { readonly request: FastifyRequest; readonly reply: FastifyReply };
type Said = { readonly problem?: string; readonly status?: number; readonly made?: NewToken };

/** "Your account" for everybody, and the same of anybody for members of `security`. */
export function accountRoutes(app: FastifyInstance, parts: ConsoleParts): void {
  const { deps, guard, render } = parts;

  const signedIn =
    (work: (caller: Caller, exchange: Exchange) => Promise<FastifyReply>, back?: string) =>
    async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
      const caller = await guard.signedIn(request);
      if (caller) return work(caller, { request, reply });
      const next = encodeURIComponent(back ?? request.url);
      return reply.redirect(`/sign-in?next=${next}`, 303);
    };

  app.get(
    '/account',
    signedIn((caller, exchange) => showAccount(parts, caller, exchange)),
  );
  app.post(
    '/account',
    signedIn(async (caller, exchange) => {
      const form = parse(accountForm, exchange.request.body, 'form');
      guard.demandOwnForm(exchange.request, form.csrf);
      const failed = await problemOf(() => act(parts, caller, caller.person.email, form));
      if (failed) return showAccount(parts, caller, exchange, failed);
      return exchange.reply.redirect('/account', 303);
    }, '/account'),
  );
  app.post(
    '/account/tokens',
    signedIn(async (caller, exchange) => {
      const { label, lifetime, ...form } = parse(tokenForm, exchange.request.body, 'form');
      guard.demandOwnForm(exchange.request, form.csrf);
      let made: NewToken | undefined;
      const failed = await problemOf(async () => {
        made = await makeToken(parts, caller, label, lifetime);
      });
      return showAccount(parts, caller, exchange, failed ?? (made && { made }));
    }, '/account'),
  );

  app.post(
    '/account/away',
    signedIn(async (caller, exchange) => {
      const form = parse(awayForm, exchange.request.body, 'form');
      guard.demandOwnForm(exchange.request, form.csrf);
      const failed = await problemOf(() => sayAway(deps, caller, form));
      if (failed) return showAccount(parts, caller, exchange, failed);
      return exchange.reply.redirect('/account#away', 303);
    }, '/account'),
  );
  app.post(
    '/account/back',
    signedIn(async (caller, exchange) => {
      const { csrf: given, id } = parse(backForm, exchange.request.body, 'form');
      guard.demandOwnForm(exchange.request, given);
      const failed = await problemOf(() => sayBack(deps, caller, id));
      if (failed) return showAccount(parts, caller, exchange, failed);
      return exchange.reply.redirect('/account#away', 303);
    }, '/account'),
  );

  app.get(
    '/people',
    signedIn(async (caller, { request, reply }) => {
      if (!mayAdminister(caller.person)) throw notFound('page');
      const { email } = parse(peopleQuery, request.query, 'query');
      await recordLook(deps, { person: caller.person, via: 'console' }, { looked: 'people' });
      const page = peoplePage(await deps.people.list(email), email);
      return render.page(request, reply, page, { caller });
    }),
  );
  app.get(
    '/people/:email',
    signedIn((caller, exchange) => showPerson(parts, caller, exchange)),
  );
  app.post(
    '/people/:email',
    signedIn(async (caller, exchange) => {
      const { email } = parse(personParams, exchange.request.params, 'path');
      const form = parse(personForm, exchange.request.body, 'form');
      guard.demandOwnForm(exchange.request, form.csrf);
      if (!mayAdminister(caller.person)) throw notFound('page');
      const failed = await problemOf(() => act(parts, caller, email, form));
      if (failed) return showPerson(parts, caller, exchange, failed);
      return exchange.reply.redirect(`/people/${encodeURIComponent(email)}`, 303);
    }, '/people'),
  );
}

/** A refusal is said on the page that it was asked from. */
async function problemOf(work: () => Promise<void>): Promise<Said | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (!(error instanceof Problem) || error.status >= 500) throw error;
    return { problem: error.message, status: error.status };
  }
}

async function act(
  { deps }: ConsoleParts,
  caller: Caller,
  email: string,
  { act: asked, id = '', account = '' }: Asked,
): Promise<void> {
  const acts: Readonly<Record<Act, () => Promise<void>>> = {
    'revoke-token': () => revokeToken(deps, caller, id),
    'end-sign-in': () => revokeSignIn(deps, caller, id),
    'unlink-chat': () => unlinkChat(deps, caller, account),
    'sign-out-everywhere': () => signOutEverywhere(deps, caller, email),
    'end-everything': () => endAccess(deps, caller, email, ''),
    activate: () => setState(deps, caller, email, 'active'),
    deactivate: () => setState(deps, caller, email, 'deactivated'),
    release: () => setState(deps, caller, email, 'released'),
  };
  await acts[asked]();
}

async function showAccount(
  { deps, render }: ConsoleParts,
  caller: Caller,
  { request, reply }: Exchange,
  { status = 200, made, problem }: Said = {},
): Promise<FastifyReply> {
  const formToken = render.formToken(request, reply);
  const page = accountPage({
    access: await readAccess(deps, caller, 'console'),
    absences: await absencesOf(deps, caller, formToken),
    formToken,
    here: caller.signIn?.id,
    lifetimes: handOn(caller) && lifetimes(deps.identity.tokens),
    made,
    problem,
  });
  return render.page(request, reply, page, { caller, status });
}

async function showPerson(
  { deps, render }: ConsoleParts,
  caller: Caller,
  { request, reply }: Exchange,
  { status = 200, problem }: Said = {},
): Promise<FastifyReply> {
  if (!mayAdminister(caller.person)) throw notFound('page');
  const { email } = parse(personParams, request.params, 'path');
  const access = await readAccess(deps, caller, 'console', email);
  const page = personPage({
    access,
    formToken: render.formToken(request, reply),
    own: access.email === caller.person.email,
    canEnd: caller.scopes.includes('decide'),
    problem,
  });
  return render.page(request, reply, page, { caller, status });
}

/** What may be chosen, the usual one first. */
function lifetimes({ lifetimeMs, longestMs }: IdentityConfig['tokens']): readonly number[] {
  const usual = Math.min(lifetimeMs, longestMs);
  const others = [...LIFETIMES, longestMs].filter((ms) => ms <= longestMs && ms !== usual);
  return [usual, ...[...new Set(others)].toSorted((a, b) => a - b)];
}

/**
 * What a token that is made in this sign-in can be. One that was made with a token hands on no more than that token has,
 * and what it hands on ends with it. Undefined when it cannot hand on anything that opens a database.
 */
function handOn({
  signIn,
  scopes,
}: Caller): { readonly scopes: readonly Scope[]; readonly kind: TokenKind } | undefined {
  if (signIn?.provider !== undefined) return { scopes: ['connect', 'read'], kind: {} };
  if (signIn?.token === undefined || !scopes.includes('connect')) return undefined;
  const kept = scopes.filter((scope) => scope !== 'decide');
  return { scopes: kept, kind: { parent: signIn.token } };
}

async function makeToken(
  { deps }: ConsoleParts,
  caller: Caller,
  label: string,
  lifetimeMs: number,
): Promise<NewToken> {
  const handed = handOn(caller);
  if (!handed) {
    // The page offers no form then.
    demandScope(caller.scopes, 'connect');
    throw new Problem(403, 'no-sign-in', 'Tokens are made by who has signed in to the console.');
  }
  const { longestMs } = deps.identity.tokens;
  if (!(lifetimeMs > 0 && lifetimeMs <= longestMs))
    throw new Problem(422, 'lifetime', 'A token cannot live that long here. Choose from the list.');
  const { email } = caller.person;
  const { tokens } = await readAccess(deps, caller, 'console');
  if (tokens.length >= MOST_TOKENS)
    throw new Problem(
      409,
      'too-many-tokens',
      `You have ${tokens.length} live tokens. Revoke those that you do not use, then make another.`,
    );
  const { scopes, kind } = handed;
  const id = caller.signIn?.id ?? '';
  const { token, info } = await deps.tokens
    .issue(email, scopes, label, lifetimeMs, {
      ...kind,
      stands: (sql) => deps.signIns.stands(sql, id),
    })
    .catch(notWelcome);
  return { token, label: info.label, expiresAt: info.expiresAt };
}
