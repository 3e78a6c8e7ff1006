import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { readLogoutToken, type LoggedOut } from '#src/identity/oidc/logout.ts';
import type { Oidc } from '#src/identity/oidc/oidc.ts';
import { ProviderAway, type OidcProvider } from '#src/identity/oidc/provider.ts';
import { BadToken } from '#src/identity/oidc/verify.ts';
import type { Assertion } from '#src/identity/sign-in.ts';
import type { ConsoleParts } from './parts.ts';

const logoutForm = z.object({ logout_token: z.string().max(16_384) });

/** A sign-in that is on its way when its session ends must not outlive it. */
const OVERTAKEN_MS = 60 * 60_000;

const sessionKey = (provider: string, sid: string) => ['session', provider, sid] as const;

/**
 * OpenID Connect Back-Channel Logout 1.0: the provider itself tells us, so there is no cookie and no form token, only its
 * signature. Whoever had signed in with that session (or, without one, as that person) loses everything at once.
 */
export function logoutRoute(
  app: FastifyInstance,
  { deps }: ConsoleParts,
  { store }: Oidc,
  provider: OidcProvider,
): void {
  const { name, label } = provider.config;

  async function end({ sid, subject }: LoggedOut): Promise<void> {
    if (sid !== undefined) await store.once(sessionKey(name, sid), Date.now() + OVERTAKEN_MS);
    const people = await store.whoSignedIn(name, { sid, subject });
    for (const person of people)
      // oxlint-disable-next-line no-await-in-loop -- seldom more than one
      await deps.people.end(person, `signed out at ${label}`);
  }

  app.post(`/sign-in/${name}/logout`, async (request, reply) => {
    const form = logoutForm.safeParse(request.body);
    try {
      if (!form.success) throw new BadToken('no-token', 'there is no logout_token');
      const out = await readLogoutToken(provider, form.data.logout_token);
      const key = ['logout', name, out.jti];
      if (!(await store.once(key, out.expiresAt)))
        throw new BadToken('replayed', 'it has come before');
      await end(out).catch(async (error: unknown) => {
        // The provider will say it again, and must not find it used up.
        await store.forget(key);
        throw error;
      });
      return await reply.code(200).send();
    } catch (error) {
      if (!(error instanceof BadToken) && !(error instanceof ProviderAway)) throw error;
      const code = error instanceof BadToken ? error.code : 'provider-away';
      request.log.warn({ provider: name, code }, 'a logout token was refused');
      return reply
        .code(error instanceof BadToken ? 400 : 503)
        .type('application/json; charset=utf-8')
        .send({ error: 'invalid_request', error_description: error.message });
    }
  });
}

/** True when the provider has ended this very session while its sign-in was on its way. */
export const sessionHasEnded = async (
  { store }: Oidc,
  { provider, sid }: Assertion,
): Promise<boolean> => sid !== undefined && store.seen(sessionKey(provider, sid));
