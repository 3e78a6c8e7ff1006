import type { IncomingMessage, ServerResponse } from 'node:http';
import { Provider } from 'oidc-provider';
import { CSP } from '../console/layout.ts';
import { configure, type ProviderParts, SESSION_COOKIE, withoutScripts } from './configure.ts';
import { isOwnForm } from './own.ts';
import { document, peoplePage, problemPage } from './pages.ts';

const MOST_BYTES = 4_096;
/** What oidc-provider says of problems that are not its callers'. */
type Problem = (error: unknown) => void;

/** `request.url` is below the issuer's path. */
export type Answer = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** The running provider. Whoever imports this file loads oidc-provider. */
export function makeProvider(issuer: URL, parts: ProviderParts, onError: Problem): Answer {
  const provider = new Provider(issuer.href, configure(parts));
  provider.on('server_error', (_ctx, error) => onError(error));
  provider.on('backchannel.error', (_ctx, error) => onError(error));
  withoutScripts(provider);
  const library = provider.callback();
  return async (request, response) => {
    response.setHeader('content-security-policy', CSP);
    if (request.url?.startsWith('/who/'))
      await pick(provider, issuer, parts, request, response).catch((error: unknown) => {
        onError(error);
        const why = 'This sign-in is too old, or was begun in another browser. Begin it anew.';
        send(response, 400, document(problemPage(why, parts.console)));
      });
    else await library(request, response);
  };
}

/** The page with the people, and its form. */
async function pick(
  provider: Provider,
  issuer: URL,
  { people, path, console }: ProviderParts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const choice = await provider.interactionDetails(request, response);
  const page = (status: number, problem?: string): void =>
    send(
      response,
      status,
      document(peoplePage(`${path}/who/${choice.uid}`, people().values(), problem)),
    );
  if (request.method === 'GET') return page(200);
  if (!isOwnForm(request, issuer)) {
    const why = 'This form did not come from this page. Begin the sign-in anew.';
    return send(response, 403, document(problemPage(why, console)));
  }
  const email = (await formOf(request)).get('person');
  if (email === '') {
    const cancelled = { error: 'access_denied', error_description: 'nobody was picked' };
    return provider.interactionFinished(request, response, cancelled);
  }
  const person = email === null ? undefined : people().get(email);
  if (!person) return page(400, 'This is nobody of the configuration. Pick somebody.');
  if (choice.session && choice.session.accountId !== person.email) {
    // Somebody else sits here now. What the first one began elsewhere goes on; only this browser forgets it.
    choice.session = undefined;
    await choice.save(choice.exp - Math.floor(Date.now() / 1000));
    response.setHeader(
      'set-cookie',
      ['', '.sig'].map((end) => `${SESSION_COOKIE}${end}=; path=${path}; max-age=0; httponly`),
    );
  }
  await provider.interactionFinished(request, response, { login: { accountId: person.email } });
}

function send(response: ServerResponse, status: number, page: string): void {
  response.writeHead(status, { 'content-type': 'text/html; charset=utf-8' }).end(page);
}

async function formOf(request: IncomingMessage): Promise<URLSearchParams> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request) {
    const bytes = Buffer.from(part);
    size += bytes.length;
    if (size > MOST_BYTES) throw new Error('the form is too large');
    parts.push(bytes);
  }
  return new URLSearchParams(Buffer.concat(parts).toString());
}
