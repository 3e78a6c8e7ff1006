import * as client from 'openid-client';
import { z } from 'zod';
import { Failure, usageFailure } from '../failure.ts';
import { printable } from '../terminal.ts';

/** How this program is called where the person confirms; it proves nothing. */
const CLIENT_ID = 'countersign-cli';

const postgres = z.object({
  host: z.string(),
  port: z.number().int().min(1).max(65_535),
  tls: z.boolean(),
});
const userinfo = z.object({
  email: z.string(),
  name: z.string(),
  groups: z.array(z.string()),
  scope: z.string(),
  exp: z.number(),
});
const certificate = z.object({ certificate: z.string(), expires_at: z.string() });

export type Whoami = z.infer<typeof userinfo>;
export type Device = {
  /** To be typed there. */
  readonly code: string;
  readonly page: string;
  /** The page with the code in it. */
  readonly link: string;
  readonly minutes: number;
  /** Resolves with the token once somebody has confirmed. */
  wait(): Promise<string>;
};

/** The authorization server of a gateway, as this program uses it. Everything rejects with Failure. */
export type Gateway = {
  readonly url: string;
  readonly postgres: z.infer<typeof postgres>;
  /** RFC 8628. */
  device(): Promise<Device>;
  whoami(token: string): Promise<Whoami>;
  revoke(token: string): Promise<void>;
  /** Whether it takes client certificates for a password. */
  readonly certifies: boolean;
  /** A certificate in PEM form for this public key (SPKI, PEM), as long as the token. */
  certify(token: string, publicKey: string): Promise<z.infer<typeof certificate>>;
};

/** The form in which an address is a key. Http only on this machine: whoever is on the way would get the token. */
export function gatewayUrl(text: string): string {
  const url = URL.parse(text.includes('://') ? text : `https://${text}`);
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    throw usageFailure(
      `${printable(text)} is no address`,
      'write https://countersign.example.com, the address of the console',
    );
  if (url.protocol === 'http:' && !isLoopback(url.hostname))
    throw usageFailure(
      `${url.origin} is http beyond this machine: whoever is on the way could sign in as you`,
      'write https://…',
    );
  return url.origin;
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/u.test(host);

export async function findGateway(url: string): Promise<Gateway> {
  const config = await client
    .discovery(new URL(url), CLIENT_ID, undefined, client.None(), {
      algorithm: 'oauth2',
      execute: url.startsWith('http:') ? [client.allowInsecureRequests] : [],
    })
    .catch((cause: unknown) => {
      throw new Failure(`no gateway that one can sign in to answers at ${url}`, {
        hint: `is it the address of its console, as its operator writes it (publicUrl)? (${why(cause)})`,
        cause,
      });
    });
  const where = postgres.safeParse(Reflect.get(config.serverMetadata(), 'countersign_postgres'));
  if (!where.success)
    throw new Failure(`${url} is no gateway of this version of Countersign`, {
      hint: 'are the command and the gateway of the same version?',
    });
  const resource = async (token: string, path: string, body?: string): Promise<unknown> => {
    const response = await client.fetchProtectedResource(
      config,
      token,
      new URL(path, url),
      body === undefined ? 'GET' : 'POST',
      body,
      new Headers(
        body === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' },
      ),
    );
    return response.json();
  };
  return {
    url,
    postgres: where.data,
    certifies: Reflect.has(config.serverMetadata(), 'countersign_certificate_endpoint'),
    async device() {
      const begun = await client.initiateDeviceAuthorization(config, {}).catch(refused);
      const link = begun.verification_uri_complete ?? begun.verification_uri;
      // The page is the gateway's own; a browser is never sent anywhere else.
      if ([begun.verification_uri, link].some((page) => URL.parse(page)?.origin !== url))
        throw new Failure(`${url} sends people to another address to sign in`, {
          hint: 'tell its operator',
        });
      return {
        code: printable(begun.user_code),
        page: begun.verification_uri,
        link,
        minutes: Math.round(begun.expires_in / 60),
        wait: async () =>
          (await client.pollDeviceAuthorizationGrant(config, begun).catch(refused)).access_token,
      };
    },
    whoami: async (token) =>
      answered(userinfo, await resource(token, '/oauth/userinfo').catch(refused)),
    revoke: (token) => client.tokenRevocation(config, token).catch(refused),
    async certify(token, publicKey) {
      const body = new URLSearchParams({ public_key: publicKey }).toString();
      const answer = await resource(token, '/oauth/certificate', body).catch(refused);
      return answered(certificate, answer);
    },
  };
}

function answered<T>(shape: z.ZodType<T>, value: unknown): T {
  const parsed = shape.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new Failure('the gateway does not answer as this version of Countersign does', {
    hint: 'are the command and the gateway of the same version?',
  });
}

const ENDS: Readonly<Record<string, string>> = {
  access_denied: 'the sign-in was denied',
  expired_token: 'nobody confirmed the code in time',
  invalid_token: 'this sign-in has ended',
};

function refused(cause: unknown): never {
  if (cause instanceof client.ResponseBodyError)
    throw new Failure(ENDS[cause.error] ?? printable(cause.error_description ?? cause.error), {
      ...(cause.error in ENDS && { hint: 'countersign login begins anew' }),
      cause,
    });
  if (cause instanceof client.WWWAuthenticateChallengeError)
    throw new Failure(ENDS['invalid_token'] ?? '', {
      hint: 'countersign login begins anew',
      cause,
    });
  throw new Failure('the gateway does not answer', { hint: why(cause), cause });
}

function why(cause: unknown): string {
  if (!(cause instanceof Error)) return 'it says nothing';
  const below = cause.cause instanceof Error ? `: ${cause.cause.message}` : '';
  return printable(`${cause.message}${below}`);
}
