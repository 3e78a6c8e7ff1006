import type { FastifyReply, FastifyRequest } from 'fastify';
import { NotWelcome, type Assertion } from '#src/identity/sign-in.ts';
import type { NewSignIn, SignIn } from '#src/identity/sign-ins.ts';
import { Problem } from '../api/problem.ts';
import { nextPage } from './guard.ts';
import type { ConsoleParts } from './parts.ts';

/**
 * Signs in whom a provider has vouched for, and leads them to `next` (one of our own pages, else the inbox). The caller has
 * checked the provider's answer and that this very browser has asked for it. Throws the 403 for who is not welcome.
 */
export async function completeSignIn(
  parts: ConsoleParts,
  request: FastifyRequest,
  reply: FastifyReply,
  assertion: Assertion,
  next: string,
): Promise<FastifyReply> {
  await signInVouched(parts, request, reply, assertion);
  return reply.redirect(nextPage(next), 303);
}

/** The same without the redirect, for who has more to do with the new sign-in. */
export async function signInVouched(
  parts: ConsoleParts,
  request: FastifyRequest,
  reply: FastifyReply,
  assertion: Assertion,
  stepUp?: NewSignIn['stepUp'],
): Promise<SignIn> {
  const person = await parts.deps.people.signedIn(assertion).catch(notWelcome);
  const { provider, authTime, acr, amr, sid, refreshToken, idToken, until } = assertion;
  return startSignIn(parts, request, reply, {
    person: person.email,
    provider,
    scopes: ['read', 'decide'],
    client: request.ip,
    ...(authTime !== undefined && { authTime }),
    ...(acr !== undefined && { acr }),
    ...(amr !== undefined && { amr }),
    ...(sid !== undefined && { sid }),
    ...(refreshToken !== undefined && { refreshToken }),
    ...(idToken !== undefined && { idToken }),
    ...(until !== undefined && { until }),
    ...(stepUp && { stepUp }),
  });
}

/** A refusal that may be shown is the 403 that says so. */
export function notWelcome(error: unknown): never {
  if (error instanceof NotWelcome) throw new Problem(403, 'not-welcome', error.message);
  throw error;
}

/** Gives this browser a cookie that nobody has seen before; whatever the one before stood for has ended. */
export async function startSignIn(
  { deps, guard, signIns }: ConsoleParts,
  request: FastifyRequest,
  reply: FastifyReply,
  signIn: NewSignIn,
): Promise<SignIn> {
  const before = guard.cookieOf(request);
  const id = signIns.newId();
  const started = await signIns.start(id, signIn).catch(notWelcome);
  const ended = before === undefined ? undefined : await signIns.end(before, 'signed in again');
  const goesOn = ended?.person === started.person && ended.provider === started.provider;
  if (ended?.provider !== undefined && goesOn)
    await deps.oidc?.sessions.handOver(ended.id, started.id);
  guard.setCookie(reply, id);
  return started;
}
