import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Talk, Talked } from '#src/approval/talk.ts';
import type { Scope } from '#src/identity/token.ts';
import { demandScope, type Caller } from '../api/authenticate.ts';
import { Problem } from '../api/problem.ts';
import { parse } from '../api/route.ts';
import { idParams } from '../api/schemas.ts';
import { talk } from '../api/talk.ts';
import type { Page } from './layout.ts';
import type { ConsoleParts } from './parts.ts';

const text = z.string().max(4_000);
const csrf = z.string();

export type Exchange = { readonly request: FastifyRequest; readonly reply: FastifyReply };
type Again = (caller: Caller, exchange: Exchange, problem: string) => Promise<Page>;

/** What is said about a request on its page, beside deciding it. `again` is that page with what went wrong. */
export function talkForms(app: FastifyInstance, parts: ConsoleParts, again: Again): void {
  const { deps, guard, render } = parts;
  const post = <T extends z.ZodType<{ readonly csrf: string }>>(
    path: string,
    scope: Scope,
    schema: T,
    work: (about: Talk, id: string, caller: Caller, form: z.output<T>) => Promise<Talked>,
  ): void => {
    app.post(`/requests/:id/${path}`, async (request, reply) => {
      const { id } = parse(idParams, request.params, 'path');
      const page = `/requests/${id}`;
      const caller = await guard.signedIn(request);
      if (!caller) return reply.redirect(`/sign-in?next=${encodeURIComponent(page)}`, 303);
      const form = parse(schema, request.body, 'form');
      guard.demandOwnForm(request, form.csrf);
      try {
        demandScope(caller.scopes, scope);
        await talk(deps, {}, (about) => work(about, id, caller, form));
        return await reply.redirect(page, 303);
      } catch (error) {
        if (!(error instanceof Problem) || error.status >= 500 || error.status === 404) throw error;
        const shown = await again(caller, { request, reply }, error.message);
        return render.page(request, reply, shown, { status: error.status, caller });
      }
    });
  };
  post('questions', 'decide', z.strictObject({ csrf, text }), (about, id, { person }, form) =>
    about.ask(id, person, form.text, 'console'),
  );
  const answers = z.strictObject({ csrf, text, question: z.uuid() });
  post('answers', 'read', answers, (about, id, { person }, form) =>
    about.answer(id, form.question, person, form.text, 'console'),
  );
  const group = z.string().max(200);
  post('hand-overs', 'decide', z.strictObject({ csrf, group }), (about, id, { person }, form) =>
    about.handOver(id, person, form.group, 'console'),
  );
  post('reminders', 'read', z.strictObject({ csrf }), (about, id, { person }) =>
    about.remind(id, person, 'console'),
  );
}
