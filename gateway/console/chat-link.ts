import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { ChatLink, ChatLinks } from '#src/identity/chat-links.ts';
import type { SignIn } from '#src/identity/sign-ins.ts';
import type { Caller } from '../api/authenticate.ts';
import { Problem } from '../api/problem.ts';
import { parse } from '../api/route.ts';
import { flowUrl } from './oidc.ts';
import { chatLinkPage, chatWordPage, type ChatLinkStep } from './pages/chat-link.ts';
import { onToProviderPage } from './pages/session-sign-in.ts';
import type { ConsoleParts } from './parts.ts';
import { providerOf } from './step-up.ts';

const codeParams = z.object({ code: z.string().max(60) });
const linkForm = z.strictObject({ csrf: z.string(), act: z.enum(['sign-in', 'link']) });
/** A provider that cannot be asked for a fresh sign-in: one that was made so lately does. */
const LATELY_MS = 5 * 60_000;

const gone = (): Problem =>
  new Problem(
    404,
    'no-chat-link',
    'No account in chat waits with this link: it was used, or is older than ten minutes. Do something with Countersign in chat again for a new one.',
  );

type Exchange = { readonly request: FastifyRequest; readonly reply: FastifyReply };
type Opened = { readonly caller: Caller; readonly link: ChatLink; readonly code: string };

/**
 * Where a person says that an account in chat is theirs. The link shows the account; only our own form goes on, after a
 * sign-in that was made for this link, and the account itself has to say the word that is shown at the end.
 */
export function chatLinkRoutes(app: FastifyInstance, parts: ConsoleParts): void {
  const { guard, render } = parts;
  const links = parts.deps.chat?.links;
  if (!links) return;
  const path = '/chat/link/:code';
  const opened = async ({ request, reply }: Exchange): Promise<Opened | FastifyReply> => {
    const caller = await guard.signedIn(request);
    if (!caller) return reply.redirect(`/sign-in?next=${encodeURIComponent(request.url)}`, 303);
    const { code } = parse(codeParams, request.params, 'path');
    const link = await links.find(code);
    return link ? { caller, link, code } : render.problem(request, reply, gone(), caller);
  };

  app.get(path, { exposeHeadRoute: false }, async (request, reply) => {
    const open = await opened({ request, reply });
    return 'link' in open ? show(parts, open, { request, reply }) : open;
  });
  app.post(path, async (request, reply) => {
    const open = await opened({ request, reply });
    if (!('link' in open)) return open;
    const { csrf, act } = parse(linkForm, request.body, 'form');
    guard.demandOwnForm(request, csrf);
    return act === 'sign-in'
      ? signInAnew(parts, open, { request, reply })
      : confirm(parts, links, open, { request, reply });
  });
}

async function show(
  parts: ConsoleParts,
  { caller, link, code }: Opened,
  { request, reply }: Exchange,
): Promise<FastifyReply> {
  const { render } = parts;
  const isOwn = link.signIn !== undefined && link.signIn === caller.signIn?.id;
  if (link.word !== undefined && !isOwn) return render.problem(request, reply, gone(), caller);
  const page =
    link.word === undefined
      ? chatLinkPage(link, {
          formToken: render.formToken(request, reply),
          code,
          email: caller.person.email,
          step: await stepOf(parts, caller, link, code),
        })
      : chatWordPage(link, link.word, caller.person.email);
  return render.page(request, reply, page, { caller });
}

/** What the person has to do next. */
async function stepOf(
  parts: ConsoleParts,
  caller: Caller,
  link: ChatLink,
  code: string,
): Promise<ChatLinkStep> {
  if (caller.person.machine) return { kind: 'impossible' };
  if (caller.signIn && isFreshFor(parts, caller.signIn, link)) return { kind: 'confirm' };
  if ((await providerOf(parts, caller)) !== undefined) return { kind: 'sign-in' };
  const saml = await samlOf(parts, caller);
  if (saml === undefined) return { kind: 'impossible' };
  return { kind: 'sign-in', href: `/sign-in/${saml}?next=/chat/link/${code}` };
}

/** Made for this link at the provider; or lately and after it, where the provider takes no such question. */
function isFreshFor({ deps }: ConsoleParts, signIn: SignIn, link: ChatLink): boolean {
  if (link.signIn !== undefined) return link.signIn === signIn.id;
  const provider = deps.identity.providers.get(signIn.provider ?? '');
  const startedAt = Date.parse(signIn.startedAt);
  return (
    provider?.protocol === 'saml' &&
    startedAt >= Date.parse(link.createdAt) &&
    Date.now() - startedAt <= LATELY_MS
  );
}

/** The SAML provider that knows the caller, else the only one. */
async function samlOf(
  { deps }: ConsoleParts,
  { person, signIn }: Caller,
): Promise<string | undefined> {
  const names = [...deps.identity.providers.values()]
    .filter(({ protocol }) => protocol === 'saml')
    .map(({ name }) => name);
  const own = signIn?.provider ?? (await deps.people.state(person.email))?.provider;
  if (own !== undefined) return names.includes(own) ? own : undefined;
  return names.length === 1 ? names[0] : undefined;
}

async function signInAnew(
  parts: ConsoleParts,
  { caller, link, code }: Opened,
  { request, reply }: Exchange,
): Promise<FastifyReply> {
  const provider = await providerOf(parts, caller);
  if (provider === undefined || !parts.deps.oidc || caller.person.machine)
    throw new Problem(
      403,
      'no-provider',
      'An account in chat is linked by a fresh sign-in at a provider that knows you. Sign in by your provider first.',
    );
  const stepUp = { chatLink: link.id, person: caller.person.email };
  const flow = { provider, next: `/chat/link/${code}`, startedAt: Date.now(), stepUp };
  const url = await flowUrl(parts, parts.deps.oidc, { request, reply, flow });
  // Not a redirect: the policy of forms ends at this site.
  const page = onToProviderPage(url);
  return parts.render.page(request, reply.header('refresh', `0; url=${url}`), page, { caller });
}

async function confirm(
  parts: ConsoleParts,
  links: ChatLinks,
  { caller, link }: Opened,
  { request, reply }: Exchange,
): Promise<FastifyReply> {
  const { signIn, person } = caller;
  if (!signIn || person.machine || !isFreshFor(parts, signIn, link))
    throw new Problem(
      403,
      'not-fresh',
      'Sign in anew for this link before you confirm it: open the link again.',
    );
  if (link.signIn === undefined) await links.signedIn(link.id, signIn);
  const word = await links.confirm(link.id, { id: signIn.id, person: person.email });
  if (word === undefined) return parts.render.problem(request, reply, gone(), caller);
  const page = chatWordPage(link, word, person.email);
  return parts.render.page(request, reply, page, { caller });
}
