import { z } from 'zod';
import { accountId, type LinkedAccount } from '#src/identity/chat-accounts.ts';
import { readAccess, unlinkChat } from './access.ts';
import type { HttpDeps } from './deps.ts';
import { noBody, nothing, route, type Route } from './route.ts';

const ofPerson = z.strictObject({ person: z.string().trim().min(3).max(254).optional() });

const accountReply = z
  .object({
    id: z.string(),
    platform: z.enum(['slack', 'teams']),
    workspace: z.string(),
    workspaceName: z.string(),
    user: z.string(),
    name: z.string(),
    person: z.string(),
    how: z.enum(['sign-in', 'email']),
    linkedAt: z.string(),
  })
  .meta({ id: 'ChatAccount' });

const told = (account: LinkedAccount) => ({ id: accountId(account), ...account });

/** Accounts in chat, and their unlinking. They are linked by a fresh sign-in in the console alone. */
export function chatAccountRoutes(deps: HttpDeps): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/chat-accounts',
      summary: 'Your accounts in chat, or as a member of security those of a person',
      scope: 'read',
      params: nothing,
      query: ofPerson,
      body: noBody,
      reply: z.object({ accounts: z.array(accountReply).readonly() }),
      problems: [404],
      async run({ query, caller }) {
        const { chatAccounts } = await readAccess(deps, caller, 'api', query.person);
        return { accounts: chatAccounts.map(told) };
      },
    }),
    route({
      method: 'DELETE',
      path: '/chat-accounts/{id}',
      summary: 'Unlink an account in chat; of others needs security and decide',
      scope: 'read',
      params: z.strictObject({ id: z.string().max(220) }),
      query: nothing,
      body: noBody,
      reply: z.object({ ended: z.literal(true) }),
      problems: [404],
      async run({ params, caller }) {
        await unlinkChat(deps, caller, params.id);
        return { ended: true } as const;
      },
    }),
  ];
}
