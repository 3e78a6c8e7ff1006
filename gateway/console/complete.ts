import type { FastifyReply, FastifyRequest } from 'fastify';
import { NotWelcome, type Assertion } from '#src/identity/sign-in.ts';
import type { NewSignIn } from '#src/identity/sign-ins.ts';
import { Problem } from '../api/problem.ts';
import { nextPage } from './guard.ts';
import type { ConsoleParts } from './sign-in.ts';

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
  const person = await parts.deps.people.signedIn(assertion).catch((error: unknown) => {
    if (error instanceof NotWelcome) throw new Problem(403, 'not-welcome', error.message);
    throw error;
  });
  const { provider, authTime, acr, amr, sid, refreshToken, idToken } = assertion;
  await startSignIn(parts, request, reply, {
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
  });
  return reply.redirect(nextPage(next), 303);
}

/** Gives this browser a cookie that nobody has seen before; whatever the one before stood for has ended. */
export async function startSignIn(
  { guard, signIns }: ConsoleParts,
  request: FastifyRequest,
  reply: FastifyReply,
  signIn: NewSignIn,
): Promise<void> {
  const before = guard.cookieOf(request);
  const id = signIns.newId();
  await signIns.start(id, signIn);
  if (before !== undefined) await signIns.end(before, 'signed in again');
  guard.setCookie(reply, id);
}
