import { z } from 'zod';
import type { SignIn } from '#src/identity/sign-ins.ts';
import { endAccess, readAccess, revokeSignIn, revokeToken } from './access.ts';
import type { HttpDeps } from './deps.ts';
import { noBody, nothing, route, type Route } from './route.ts';
import { idParams, reasonText } from './schemas.ts';

const email = z.string().trim().min(3).max(254);
const ofPerson = z.strictObject({ person: email.optional() });

const tokenReply = z
  .object({
    id: z.string(),
    person: z.string(),
    agent: z.string().optional(),
    label: z.string(),
    scopes: z.array(z.string()).readonly(),
    createdAt: z.string(),
    expiresAt: z.string(),
    lastUsedAt: z.string().optional(),
  })
  .meta({ id: 'Token' });

const signInReply = z
  .object({
    id: z.string(),
    person: z.string(),
    provider: z.string().optional(),
    token: z.string().optional(),
    scopes: z.array(z.string()).readonly(),
    /** When the person proved who they are at the provider. */
    authTime: z.string().optional(),
    client: z.string(),
    startedAt: z.string(),
    lastUsedAt: z.string(),
    endsAt: z.string(),
  })
  .meta({ id: 'SignIn' });

const ended = z.object({ ended: z.literal(true) });

const told = ({ authTime, ...signIn }: SignIn) => ({
  ...signIn,
  ...(authTime !== undefined && { authTime: new Date(authTime).toISOString() }),
});

/** What opens something, and its end. */
export function tokenRoutes(deps: HttpDeps): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/tokens',
      summary: 'Your live tokens, or as a member of security those of a person; never the secret',
      scope: 'read',
      params: nothing,
      query: ofPerson,
      body: noBody,
      reply: z.object({ tokens: z.array(tokenReply).readonly() }),
      problems: [404],
      async run({ query, caller }) {
        const { tokens } = await readAccess(deps, caller, 'api', query.person);
        return { tokens };
      },
    }),
    route({
      method: 'DELETE',
      path: '/tokens/{id}',
      summary: 'Revoke a token and end what it has opened; of others needs security and decide',
      scope: 'read',
      params: idParams,
      query: nothing,
      body: noBody,
      reply: ended,
      problems: [404],
      async run({ params, caller }) {
        await revokeToken(deps, caller, params.id);
        return { ended: true } as const;
      },
    }),
    route({
      method: 'GET',
      path: '/sign-ins',
      summary: 'Your live sign-ins of the console, or as a member of security those of a person',
      scope: 'read',
      params: nothing,
      query: ofPerson,
      body: noBody,
      reply: z.object({ signIns: z.array(signInReply).readonly() }),
      problems: [404],
      async run({ query, caller }) {
        const { signIns } = await readAccess(deps, caller, 'api', query.person);
        return { signIns: signIns.map(told) };
      },
    }),
    route({
      method: 'DELETE',
      path: '/sign-ins/{id}',
      summary: 'End a sign-in of the console; of others needs security and decide',
      scope: 'read',
      params: idParams,
      query: nothing,
      body: noBody,
      reply: ended,
      problems: [404],
      async run({ params, caller }) {
        await revokeSignIn(deps, caller, params.id);
        return { ended: true } as const;
      },
    }),
    route({
      method: 'POST',
      path: '/people/{email}/end',
      summary: 'End all sign-ins, tokens and sessions of a person; of others needs security',
      scope: 'decide',
      params: z.strictObject({ email }),
      query: nothing,
      body: z.strictObject({ reason: reasonText.max(200).default('') }),
      reply: ended,
      problems: [404],
      async run({ params, body, caller }) {
        await endAccess(deps, caller, params.email, body.reason);
        return { ended: true } as const;
      },
    }),
  ];
}
