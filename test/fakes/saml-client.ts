import { NO_PROVIDERS, type IdentityConfig, type SamlConfig } from '#src/config/identity.ts';
import { browse, type Browser } from './browser.ts';
import { requestOf, type Sp } from './saml-idp.ts';

/** The configuration with these providers. */
export const samlProviders = (...configs: readonly SamlConfig[]): IdentityConfig => ({
  ...NO_PROVIDERS,
  providers: new Map(configs.map((config) => [config.name, config])),
});

type Posted = {
  readonly status: number;
  readonly text: string;
  /** What the browser finishes with; empty when it was refused. */
  readonly ticket: string;
  readonly location: string | undefined;
  readonly cookies: readonly string[];
};

export type SamlClient = {
  readonly sp: Sp;
  readonly slo: string;
  /** Begins a sign-in in a fresh browser. */
  begin(next?: string): Promise<{ readonly browser: Browser; readonly request: string }>;
  /** What the provider's page posts: from another site, so without our cookie. */
  answer(SAMLResponse: string, RelayState?: string): Promise<Posted>;
  /** The same to another address of ours. */
  post(path: string, form: Readonly<Record<string, string>>): Promise<Posted>;
};

/** Browsers of a gateway whose people sign in by SAML; `publicUrl` where it is not the gateway's own address. */
export function samlClient(console: string, publicUrl = console, provider = 'acme'): SamlClient {
  const base = `${publicUrl}/saml/${provider}`;
  const client: SamlClient = {
    sp: { acs: `${base}/acs`, audience: `${base}/metadata` },
    slo: `${base}/slo`,
    async begin(next = '/') {
      const browser = browse(console);
      const { location = '' } = await browser.get(
        `/sign-in/${provider}?next=${encodeURIComponent(next)}`,
      );
      return { browser, request: requestOf(location) };
    },
    answer: (SAMLResponse, RelayState) =>
      client.post(`/saml/${provider}/acs`, {
        SAMLResponse,
        ...(RelayState !== undefined && { RelayState }),
      }),
    async post(path, form) {
      const response = await fetch(new URL(path, console), {
        method: 'POST',
        redirect: 'manual',
        body: new URLSearchParams(form),
        headers: {
          origin: 'https://idp.example',
          'sec-fetch-site': 'cross-site',
          accept: 'text/html',
        },
      });
      const text = await response.text();
      return {
        status: response.status,
        text: text.replaceAll('&#39;', "'"),
        ticket: /name="ticket" value="([^"]+)"/.exec(text)?.[1] ?? '',
        location: response.headers.get('location') ?? undefined,
        cookies: response.headers.getSetCookie(),
      };
    },
  };
  return client;
}
