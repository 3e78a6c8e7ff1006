import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Person } from '#src/identity/person.ts';
import type { Problem } from '../api/problem.ts';
import type { Guard } from './guard.ts';
import { CSP, layout, PLAYER_CSP, type Page } from './layout.ts';
import { errorPage } from './pages/error.ts';
import type { SignIns } from './sign-ins.ts';

export type Render = {
  /** The form token of this visitor; gives a cookie to who has none. */
  formToken(request: FastifyRequest, reply: FastifyReply): string;
  page(
    request: FastifyRequest,
    reply: FastifyReply,
    page: Page,
    answer?: { readonly status?: number; readonly caller?: { readonly person: Person } },
  ): FastifyReply;
  problem(
    request: FastifyRequest,
    reply: FastifyReply,
    problem: Problem,
    caller?: { readonly person: Person },
  ): FastifyReply;
};

export function makeRender(guard: Guard, signIns: SignIns): Render {
  const render: Render = {
    formToken(request, reply) {
      const known = guard.cookieOf(request);
      if (known !== undefined) return signIns.formToken(known);
      // A POST of another site comes without the cookie that this browser has, and must not have it replaced.
      if (request.method !== 'GET') return '';
      const id = signIns.newId();
      guard.setCookie(reply, id);
      request.cookies[guard.cookieName] = id;
      return signIns.formToken(id);
    },
    page(request, reply, page, { status = 200, caller } = {}) {
      const formToken = render.formToken(request, reply);
      return reply
        .code(status)
        .header('content-security-policy', page.player ? PLAYER_CSP : CSP)
        .type('text/html; charset=utf-8')
        .send(layout({ caller, formToken }, page));
    },
    problem: (request, reply, problem, caller) =>
      render.page(request, reply, errorPage(problem), {
        status: problem.status,
        ...(caller && { caller }),
      }),
  };
  return render;
}
