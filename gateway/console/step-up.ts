import type { FastifyInstance } from 'fastify';
import type { Request } from '#src/approval/request.ts';
import { stepUpRefusal, type StepUp } from '#src/approval/step-up.ts';
import type { Oidc } from '#src/identity/oidc/oidc.ts';
import type { Caller } from '../api/authenticate.ts';
import { Problem } from '../api/problem.ts';
import { readRequest } from '../api/reading.ts';
import { mayDecide, mayTake } from '../api/rights.ts';
import { parse } from '../api/route.ts';
import { idParams } from '../api/schemas.ts';
import { startFlow } from './oidc.ts';
import type { ConsoleParts } from './parts.ts';

/** What the page of a request says of the fresh sign-in that its rule asks for. */
export type StepUpView =
  /** This sign-in does, or none is asked for. */
  | { readonly kind: 'done' }
  /** Why not, when one was made already. */
  | { readonly kind: 'needed'; readonly href: string; readonly why?: string }
  | { readonly kind: 'impossible' };

/** The fresh sign-in that this caller has made for this request. A bearer token has none. */
export async function stepUpOf(
  { deps }: ConsoleParts,
  { signIn }: Caller,
  request: string,
): Promise<StepUp | undefined> {
  return signIn && deps.oidc?.store.stepUp(signIn, request);
}

export async function stepUpView(
  parts: ConsoleParts,
  caller: Caller,
  request: Request,
): Promise<StepUpView> {
  if (request.requirement.stepUpMs === undefined) return { kind: 'done' };
  const stepUp = await stepUpOf(parts, caller, request.id);
  const refusal = stepUpRefusal(request, stepUp);
  if (!refusal) return { kind: 'done' };
  if ((await providerOf(parts, caller)) === undefined) return { kind: 'impossible' };
  const href = `/requests/${request.id}/step-up`;
  return { kind: 'needed', href, ...(stepUp && { why: refusal.message }) };
}

/** Leads an approver to a fresh sign-in whose nonce names the request. A GET: forms may not lead to other sites. */
export function stepUpRoute(app: FastifyInstance, parts: ConsoleParts, oidc: Oidc): void {
  app.get('/requests/:id/step-up', { exposeHeadRoute: false }, async (request, reply) => {
    const { id } = parse(idParams, request.params, 'path');
    const caller = await parts.guard.signedIn(request);
    if (!caller) return reply.redirect(`/sign-in?next=/requests/${id}`, 303);
    const found = await readRequest(parts.deps, caller.person, id);
    if (!mayDecide(caller.person, found) && !mayTake(caller.person, found))
      return reply.redirect(`/requests/${id}`, 303);
    const provider = await providerOf(parts, caller);
    if (provider === undefined)
      throw new Problem(
        403,
        'no-provider',
        'A fresh sign-in for this request needs an OpenID provider that knows you. Sign in by your provider first.',
      );
    const { acr } = found.requirement;
    const stepUp = { request: found.id, person: caller.person.email };
    const flow = { provider, next: `/requests/${id}`, startedAt: Date.now(), stepUp };
    return startFlow(parts, oidc, { request, reply, flow, ...(acr && { acr }) });
  });
}

/** The OpenID provider that can vouch for the caller: theirs, else the only one. */
export async function providerOf(
  { deps }: ConsoleParts,
  { person, signIn }: Caller,
): Promise<string | undefined> {
  const names = [...(deps.oidc?.providers.keys() ?? [])];
  const own = signIn?.provider ?? (await deps.people.state(person.email))?.provider;
  if (own !== undefined) return names.includes(own) ? own : undefined;
  return names.length === 1 ? names[0] : undefined;
}
