import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Request } from '#src/approval/request.ts';
import { personKey } from '#src/identity/people.ts';
import {
  ask,
  breakGlass,
  endGrant,
  listGrants,
  mayEndGrant,
  readGrant,
  reviewGrant,
  withdraw,
} from '../api/asking.ts';
import { demandScope, type Caller } from '../api/authenticate.ts';
import { durationText, reviewText } from '../api/grants.ts';
import { Problem } from '../api/problem.ts';
import { readRequest } from '../api/reading.ts';
import { parse } from '../api/route.ts';
import { idParams, reasonText } from '../api/schemas.ts';
import type { RoleAccess } from '../roles.ts';
import type { Page } from './layout.ts';
import type { RoleForms } from './pages/role.ts';
import { rolesPage, type RolesView } from './pages/access-roles.ts';
import type { ConsoleParts } from './parts.ts';
import { stepUpOf, stepUpView } from './step-up.ts';

const csrf = z.string();
const askForm = z.strictObject({
  csrf,
  offer: z.string().max(1_000),
  duration: z.string().max(20),
  reason: reasonText.default(''),
});
const offerOf = z.tuple([z.enum(['request', 'break-glass']), z.string(), z.string()]);

type Exchange = { readonly request: FastifyRequest; readonly reply: FastifyReply };
type MakePage = (
  path: string,
  make: (caller: Caller, request: FastifyRequest, reply: FastifyReply) => Promise<Page>,
) => void;

/** Asking for roles, and what becomes of them. */
export function roleRoutes(
  app: FastifyInstance,
  parts: ConsoleParts,
  access: RoleAccess,
  page: MakePage,
): void {
  const { deps, guard, render } = parts;
  const overview = async (
    caller: Caller,
    { request, reply }: Exchange,
    said: Pick<RolesView, 'problem' | 'typed'> = {},
  ): Promise<Page> => {
    const { person } = caller;
    const [offers, open, unreviewed] = await Promise.all([
      access.rules.offers(person),
      listGrants(deps, person, { open: true }),
      listGrants(deps, person, { unreviewed: true }),
    ]);
    const own = (email: string): boolean => personKey(email) === personKey(person.email);
    return rolesPage({
      email: person.email,
      formToken: render.formToken(request, reply),
      offers,
      own: open.filter((grant) => own(grant.person)),
      others: open.filter((grant) => !own(grant.person)),
      unreviewed: unreviewed.filter((grant) => mayReview(caller, grant)),
      postgres: deps.oauth?.postgres,
      ...said,
    });
  };
  page('/access', (caller, request, reply) => overview(caller, { request, reply }));

  /** A form of somebody who is signed in; `work` says where to go then. A problem is said on a page of `back`. */
  const post = <T extends z.ZodType<{ csrf: string }>>(
    path: string,
    schema: T,
    work: (caller: Caller, form: z.output<T>, request: FastifyRequest) => Promise<string>,
    again?: (
      caller: Caller,
      exchange: Exchange,
      form: z.output<T>,
      problem: string,
    ) => Promise<Page>,
  ): void => {
    app.post(path, async (request, reply) => {
      const caller = await guard.signedIn(request);
      if (!caller) return reply.redirect(`/sign-in?next=${encodeURIComponent('/access')}`, 303);
      const form = parse(schema, request.body, 'form');
      guard.demandOwnForm(request, form.csrf);
      try {
        return await reply.redirect(await work(caller, form, request), 303);
      } catch (error) {
        if (!(error instanceof Problem) || error.status >= 500) throw error;
        if (!again) return render.problem(request, reply, error, caller);
        const shown = await again(caller, { request, reply }, form, error.message);
        return render.page(request, reply, shown, { status: error.status, caller });
      }
    });
  };

  post(
    '/access',
    askForm,
    async (caller, form, request) => {
      const [action, target, role] = parse(offerOf, jsonOf(form.offer), 'form.offer');
      const asking = {
        kind: action === 'request' ? ('access' as const) : action,
        target,
        role,
        durationMs: parse(durationText, form.duration, 'form.duration'),
        reason: form.reason,
      };
      const made = await ask(deps, caller, asking, { via: 'console', address: request.ip });
      return `/requests/${made.id}`;
    },
    (caller, exchange, { offer, duration, reason }, problem) =>
      overview(caller, exchange, { problem, typed: { offer, duration, reason } }),
  );
  post('/requests/:id/withdraw', z.strictObject({ csrf }), async (caller, _form, request) => {
    const { id } = parse(idParams, request.params, 'path');
    await withdraw(deps, caller, id);
    return `/requests/${id}`;
  });
  post('/requests/:id/take', z.strictObject({ csrf }), async (caller, _form, request) => {
    const { id } = parse(idParams, request.params, 'path');
    const found = await readRequest(deps, caller.person, id);
    const stepUp = await stepUpOf(parts, caller, id);
    if (!stepUp)
      throw new Problem(
        403,
        'step-up-required',
        'Sign in again for this first, on the page of the request.',
      );
    await breakGlass(deps, caller, found, stepUp);
    return `/requests/${id}`;
  });
  post(
    '/grants/:id/end',
    z.strictObject({ csrf, reason: reasonText.default('') }),
    async (caller, { reason }, request) => {
      const { id } = parse(idParams, request.params, 'path');
      return pathOf(await endGrant(deps, caller, id, reason));
    },
  );
  post(
    '/grants/:id/review',
    z.strictObject({ csrf, review: reviewText }),
    async (caller, { review }, request) => {
      const { id } = parse(idParams, request.params, 'path');
      demandScope(caller.scopes, 'decide');
      return pathOf(await reviewGrant(deps, caller, id, review));
    },
  );
  app.get('/grants/:id', async (request, reply) => {
    const caller = await guard.signedIn(request);
    if (!caller) return reply.redirect(`/sign-in?next=${encodeURIComponent(request.url)}`, 303);
    const { id } = parse(idParams, request.params, 'path');
    return reply.redirect(pathOf(await readGrant(deps, caller.person, id)), 303);
  });
}

const pathOf = ({ request }: { readonly request?: string }): string =>
  request === undefined ? '/access' : `/requests/${request}`;

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

type Granted = NonNullable<Request['grant']>;

function mayReview({ person, agent }: Caller, grant: Granted): boolean {
  const reviewers = grant.reviewers.length > 0 ? grant.reviewers : ['security'];
  return (
    agent === undefined &&
    grant.kind === 'break-glass' &&
    grant.state === 'ended' &&
    grant.reviewedAt === undefined &&
    personKey(grant.person) !== personKey(person.email) &&
    person.groups.some((group) => reviewers.includes(group))
  );
}

/** What the page of a request for a role lets this caller do beside deciding. */
export async function roleFormsOf(
  parts: ConsoleParts,
  caller: Caller,
  request: Request,
): Promise<RoleForms | undefined> {
  const { kind, state, card, grant } = request;
  if (kind === 'statement') return undefined;
  const own = personKey(card.person.email) === personKey(caller.person.email);
  const takes = own && kind === 'break-glass' && state === 'pending';
  return {
    own,
    mayWithdraw: own && state === 'pending',
    mayEnd:
      grant !== undefined && grant.state !== 'ended' && mayEndGrant(caller.person, grant, request),
    mayReview: grant !== undefined && mayReview(caller, grant),
    take: takes ? await stepUpView(parts, caller, request) : undefined,
  };
}
