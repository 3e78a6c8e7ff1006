import type { Duplex } from 'node:stream';
import { BadBearer, LONGEST_JWT } from '#src/identity/bearer.ts';
import type { BearerLogin, Shown } from '#src/identity/bearer-login.ts';
import { authenticationSaslContinue } from './codec.ts';
import { Fatal } from './fatal.ts';

export const OAUTHBEARER = 'OAUTHBEARER';
/** The largest initial response: a token, and what is around it. */
export const LARGEST_BEARER = LONGEST_JWT + 1_024;

export type BearerDoor = {
  readonly login: BearerLogin;
  /** Where a client learns how to get a token: the gateway's own metadata. */
  readonly configuration: string;
};

type Asked = {
  readonly email: string;
  readonly address: string;
  /** Reads the client's next SASL message. */
  readonly next: () => Promise<Buffer>;
};

/**
 * The server's side of OAUTHBEARER (RFC 7628) behind the client's initial response. A client without a token is told
 * where to get one, and comes again. Throws Fatal.
 */
export async function oauthBearer(
  socket: Duplex,
  initial: string,
  { login, configuration }: BearerDoor,
  { email, address, next }: Asked,
): Promise<Shown> {
  const bearer = bearerOf(initial);
  if (bearer === undefined) throw new Fatal('08P01', 'malformed OAUTHBEARER message');
  try {
    if (bearer === '') throw new BadBearer('a token is needed');
    return await login({ email, bearer, address });
  } catch (error) {
    if (!(error instanceof BadBearer))
      throw new Fatal('57P03', 'the gateway cannot check this token now', {
        hint: 'Try again; if it lasts, the operator should look at the store and at the issuer of the token.',
        cause: error,
      });
    const status = { status: 'invalid_token', 'openid-configuration': configuration };
    socket.write(authenticationSaslContinue(JSON.stringify({ ...status, scope: 'connect' })));
    // RFC 7628 section 3.2.3: the client acknowledges, and only then it is refused.
    const acknowledged = await next();
    if (!acknowledged.equals(Buffer.from('\x01')))
      throw new Fatal('08P01', 'malformed OAUTHBEARER message');
    throw new Fatal('28000', `OAuth bearer authentication failed for user "${email}"`, {
      detail: error.message,
      hint: `Sign in with a client that can (libpq 18: oauth_issuer and oauth_client_id), or use a token as the password: countersign login.`,
      cause: error,
    });
  }
}

/** RFC 7628 section 3.1: the token, empty for a client that asks where to get one; undefined for anything else. */
export function bearerOf(initial: string): string | undefined {
  // An authorization identity would say twice who it is.
  const [header = '', ...pairs] = initial.split('\x01');
  const wellFormed = pairs.slice(0, -2).every((pair) => /^[A-Za-z]+=[ -~\t\r\n]*$/u.test(pair));
  const ended = pairs.length >= 2 && pairs.splice(-2).every((pair) => pair === '');
  if (!/^[ny],,$/u.test(header) || !wellFormed || !ended) return undefined;
  const [auth, another] = pairs.filter((pair) => pair.startsWith('auth='));
  if (auth === undefined || another !== undefined) return undefined;
  if (auth === 'auth=') return '';
  return /^auth=Bearer +([A-Za-z0-9\-._~+/]+=*)$/iu.exec(auth)?.[1];
}
