import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inflateRawSync } from 'node:zlib';
import {
  base64,
  logoutXml,
  redirectQuery,
  responseXml,
  signXml,
  assertionXml,
  type Sp,
} from './saml-idp.ts';

export type SamlSite = {
  /** On another site than the gateway: localhost, not 127.0.0.1. */
  readonly url: string;
  /** Told once the gateway is there. */
  serve(sp: Sp & { readonly slo: string }, key: string): void;
  /** Ids of the logout requests that came. */
  readonly loggedOut: string[];
  stop(): Promise<void>;
};

/** The pages of a SAML provider: a button that signs in by POST, a place for sign-outs, and a page that signs out everywhere. */
export async function startSamlSite(): Promise<SamlSite> {
  let sp: (Sp & { readonly slo: string }) | undefined;
  let key = '';
  const loggedOut: string[] = [];
  const server = createServer((request, reply) => {
    const answer = sp && pageOf(request, sp, key, loggedOut);
    if (typeof answer === 'string')
      reply.writeHead(200, { 'content-type': 'text/html' }).end(answer);
    else reply.writeHead(answer ? 302 : 404, answer && { location: answer.location }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://localhost:${port}`,
    serve(theirs, signingKey) {
      sp = theirs;
      key = signingKey;
    },
    loggedOut,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function pageOf(
  request: IncomingMessage,
  sp: Sp & { readonly slo: string },
  key: string,
  loggedOut: string[],
): string | { readonly location: string } | undefined {
  const url = new URL(request.url ?? '', 'http://localhost');
  const RelayState = url.searchParams.get('RelayState') ?? '';
  const asked = url.searchParams.get('SAMLRequest');
  const id = asked === null ? undefined : idOf(asked);
  if (url.pathname === '/sso') {
    const inResponseTo = id;
    const assertion = signXml(
      assertionXml(sp, { inResponseTo, sessionIndex: 'site', authInstant: 0 }),
      key,
    );
    const SAMLResponse = base64(responseXml(sp, assertion, { inResponseTo }));
    return form(sp.acs, { SAMLResponse, RelayState }, 'Sign in');
  }
  if (url.pathname === '/slo' && id !== undefined) {
    loggedOut.push(id);
    const SAMLResponse = logoutXml(sp.slo)
      .replaceAll('LogoutRequest', 'LogoutResponse')
      .replace(' Version', ` InResponseTo="${id}" Version`)
      .replace(
        /<saml:NameID[\s\S]*<\/saml:NameID>/,
        '<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>',
      );
    return { location: `${sp.slo}?${redirectQuery({ SAMLResponse }, key, { RelayState })}` };
  }
  if (url.pathname === '/slo')
    return '<!doctype html><title>Bye</title><h1>Signed out everywhere</h1>';
  if (url.pathname === '/leave') {
    const xml = signXml(logoutXml(sp.slo, { sessions: ['site'] }), key, {
      element: 'LogoutRequest',
    });
    return form(sp.slo, { SAMLRequest: base64(xml) }, 'Sign out everywhere');
  }
  return undefined;
}

const idOf = (asked: string): string | undefined =>
  / ID="([^"]+)"/.exec(inflateRawSync(Buffer.from(asked, 'base64')).toString())?.[1];

function form(action: string, fields: Readonly<Record<string, string>>, button: string): string {
  const inputs = Object.entries(fields).map(
    ([name, value]) => `<input type="hidden" name="${name}" value="${value}">`,
  );
  return `<!doctype html><title>Provider</title><form method="post" action="${action}">${inputs.join('')}<button>${button}</button></form>`;
}
