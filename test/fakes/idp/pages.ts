import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Provider } from 'oidc-provider';
import type { IdpPerson } from './shapes.ts';

const escape = (text: string): string =>
  text.replaceAll(/[&<>"]/gu, (sign) => `&#${sign.charCodeAt(0)};`);

export const page = (title: string, body: string): string =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escape(title)}</title></head><body><h1>${escape(title)}</h1>${body}</body></html>`;

/** One button for each person; `POST` signs in whom `person` names by subject. */
export async function personPage(
  provider: Provider,
  request: IncomingMessage,
  response: ServerResponse,
  people: readonly IdpPerson[],
  who: {
    readonly subjectOf: (person: IdpPerson) => string;
    readonly mayEnter: (person: IdpPerson | undefined) => boolean;
  },
): Promise<void> {
  const interaction = await provider.interactionDetails(request, response);
  if (interaction.prompt.name === 'consent') return consentPage(provider, request, response);
  if (request.method !== 'POST') {
    const buttons = people.map(
      (each) =>
        `<p><button name="person" value="${escape(who.subjectOf(each))}">${escape(each.name)}</button></p>`,
    );
    const action = `${provider.issuer}/interaction/${interaction.uid}`;
    const form = `<form method="post" action="${action}">${buttons.join('')}</form>`;
    response.setHeader('content-type', 'text/html; charset=utf-8');
    return void response.end(page('Sign in', form));
  }
  const chosen = new URLSearchParams(await bodyOf(request)).get('person');
  const person = people.find((each) => who.subjectOf(each) === chosen);
  if (!person || !who.mayEnter(person)) {
    const refused = { error: 'access_denied', error_description: 'this account is disabled' };
    return provider.interactionFinished(request, response, refused);
  }
  await provider.interactionFinished(request, response, {
    login: { accountId: who.subjectOf(person), amr: ['pwd'] },
    // Where prompt=consent asks for it.
    consent: {},
  });
}

/** What the client asks for is shown once more, and agreed to. */
async function consentPage(
  provider: Provider,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { uid } = await provider.interactionDetails(request, response);
  if (request.method === 'POST')
    return provider.interactionFinished(request, response, { consent: {} });
  response.setHeader('content-type', 'text/html; charset=utf-8');
  const action = `${provider.issuer}/interaction/${uid}`;
  response.end(
    page('Continue?', `<form method="post" action="${action}"><button>Continue</button></form>`),
  );
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}
