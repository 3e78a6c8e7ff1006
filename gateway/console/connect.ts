import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Confirmation, Confirmations } from '#src/identity/confirmations.ts';
import type { Caller } from '../api/authenticate.ts';
import { Problem } from '../api/problem.ts';
import { parse } from '../api/route.ts';
import { connectedPage, connectPage } from './pages/connect.ts';
import type { ConsoleParts } from './parts.ts';

const codeParams = z.object({ code: z.string().max(20) });
const decisionForm = z.strictObject({
  csrf: z.string(),
  decision: z.enum(['confirm', 'deny']),
});

const gone = (): Problem =>
  new Problem(
    404,
    'no-connection',
    'No connection of yours waits with this link: it was used, has ended, is older than ten minutes, or is of somebody else. Connect again for a new link.',
  );

type Exchange = { readonly request: FastifyRequest; readonly reply: FastifyReply };

/** Where a person confirms a PostgreSQL connection. The link shows it; only our own form decides. */
export function connectRoutes(app: FastifyInstance, parts: ConsoleParts): void {
  const { confirmations } = parts.deps;
  if (!confirmations) return;
  app.get('/connect/:code', (request, reply) => show(parts, confirmations, { request, reply }));
  app.post('/connect/:code', (request, reply) => decide(parts, confirmations, { request, reply }));
}

async function show(
  { guard, render }: ConsoleParts,
  confirmations: Confirmations,
  { request, reply }: Exchange,
): Promise<FastifyReply> {
  const caller = await guard.signedIn(request);
  if (!caller) return reply.redirect(`/sign-in?next=${encodeURIComponent(request.url)}`, 303);
  const { code } = parse(codeParams, request.params, 'path');
  const asked = await confirmations.find(code, caller.person.email);
  if (!asked) return render.problem(request, reply, gone(), caller);
  const form = { formToken: render.formToken(request, reply), code };
  const page = connectPage(form, asked, { here: request.ip, obstacle: obstacle(caller, asked) });
  return render.page(request, reply, page, { caller });
}

async function decide(
  { guard, render }: ConsoleParts,
  confirmations: Confirmations,
  { request, reply }: Exchange,
): Promise<FastifyReply> {
  const caller = await guard.signedIn(request);
  if (!caller) return reply.redirect('/sign-in', 303);
  const { code } = parse(codeParams, request.params, 'path');
  const { csrf, decision } = parse(decisionForm, request.body, 'form');
  guard.demandOwnForm(request, csrf);
  const { email } = caller.person;
  const asked = await confirmations.find(code, email);
  if (!asked) return render.problem(request, reply, gone(), caller);
  const cannot = decision === 'confirm' ? obstacle(caller, asked) : undefined;
  if (cannot !== undefined) throw new Problem(403, 'missing-scope', cannot);
  const by = { person: email, from: request.ip, token: caller.signIn?.token };
  if (!(await confirmations.decide(asked.id, decision, by)))
    return render.problem(request, reply, gone(), caller);
  return render.page(request, reply, connectedPage(decision === 'confirm'), { caller });
}

/**
 * A token that may not open connections must not open one by way of the console; where the connection has shown a token
 * already, any sign-in of the same person is a second word.
 */
function obstacle({ signIn, scopes }: Caller, { proven }: Confirmation): string | undefined {
  if (proven || signIn?.provider !== undefined || scopes.includes('connect')) return undefined;
  return 'You have signed in with a token that lacks the scope connect, so it cannot confirm a connection. Sign in at your provider, or with a token that has it.';
}
