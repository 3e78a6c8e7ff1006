import type { AuditLog } from '../audit/log.ts';
import type { Database } from '../store/database.ts';
import { BadBearer, looksLikeJwt, type AccessToken, type Bearers } from './bearer.ts';
import { recordsFailures } from './failed.ts';
import { personKey } from './people.ts';
import type { Directory, Person } from './person.ts';
import { isSecret } from './secret.ts';
import type { TokenInfo, Tokens } from './token.ts';

/** Who has shown a token: the person, and the agent that acts for them. `token` is an id that ends with what was shown. */
export type Shown = { readonly person: Person; readonly agent?: string; readonly token: string };

/** `email` is who the client says to be, `bearer` what it brings. Rejects with BadBearer; with anything else when it cannot be checked. */
export type BearerLogin = (asked: {
  readonly email: string;
  readonly bearer: string;
  readonly address: string;
}) => Promise<Shown>;

type Parts = {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly tokens: Tokens;
  readonly directory: Directory;
  readonly bearers: Bearers;
};

const UNKNOWN = 'the token is unknown, expired, revoked, or does not open connections';

/**
 * Takes one of our own tokens, a provider's access token, or a machine's platform token, if it is of the person who is
 * named. Every failure is recorded.
 */
export function openBearerLogin(parts: Parts): BearerLogin {
  const failed = recordsFailures(parts.audit);
  return async ({ email, bearer, address }) => {
    try {
      return await login(parts, personKey(email), bearer, address);
    } catch (error) {
      if (error instanceof BadBearer)
        failed({
          person: personKey(email),
          via: 'oauthbearer',
          why: error.message,
          client: address,
        });
      throw error;
    }
  };
}

async function login(parts: Parts, email: string, bearer: string, address: string): Promise<Shown> {
  if (isSecret(bearer)) return await ownToken(parts, email, bearer);
  if (!looksLikeJwt(bearer)) throw new BadBearer(UNKNOWN);
  const person = await parts.directory.find(email);
  const proof = person?.machine
    ? await machineProof(parts, email, bearer)
    : await personProof(parts, email, bearer);
  if (!person) throw new BadBearer('the token is of somebody who is not known here');
  const { expiresAt, what } = proof;
  const label = `${what}, from ${address}`;
  const { id } = await standInFor(parts.tokens, { jwt: bearer, expiresAt }, email, label);
  return { person, token: id };
}

/**
 * What stands for a JWT of somebody, so that it is listed and can be revoked. Rejects with BadBearer once it was, wherever
 * it is shown.
 */
export async function standInFor(
  tokens: Pick<Tokens, 'standIn'>,
  { jwt, expiresAt }: { readonly jwt: string; readonly expiresAt: number },
  email: string,
  label: string,
): Promise<TokenInfo> {
  const lifetimeMs = expiresAt - Date.now();
  if (lifetimeMs <= 0) throw new BadBearer('the token has expired');
  // What was signed is the token: a signature can be written in several ways.
  const info = await tokens.standIn(jwt.slice(0, jwt.lastIndexOf('.')), email, label, lifetimeMs);
  if (!info) throw new BadBearer('the token was revoked here');
  return info;
}

async function ownToken(
  { tokens, directory }: Parts,
  email: string,
  bearer: string,
): Promise<Shown> {
  const info = await tokens.check(bearer, 'connect');
  if (!info) throw new BadBearer(UNKNOWN);
  if (info.person !== email) throw new BadBearer('the token is of another person');
  const person = await directory.find(email);
  if (!person) throw new BadBearer('the token is of somebody who is not known here any more');
  return { person, token: info.id, ...(info.agent !== undefined && { agent: info.agent }) };
}

type Proof = { readonly expiresAt: number; readonly what: string };

async function machineProof({ bearers }: Parts, email: string, jwt: string): Promise<Proof> {
  const { machine, expiresAt } = await bearers.machine(jwt);
  if (machine !== email) throw new BadBearer('the token is of another machine');
  return { expiresAt, what: 'platform token' };
}

async function personProof({ bearers, db }: Parts, email: string, jwt: string): Promise<Proof> {
  const token = await bearers.access(jwt);
  if (token.acted)
    throw new BadBearer('somebody acts for the person of this token: exchange it here');
  const owner = await ownerOf(db, token);
  if (owner !== email) throw new BadBearer('the token is of another person');
  return { expiresAt: token.expiresAt, what: `access token of ${token.provider}` };
}

/**
 * Whose access token it is: whoever has signed in here as this subject of this provider. Rejects with BadBearer for
 * nobody; an address in the token would not do, since providers let people choose them.
 */
export async function ownerOf(
  { pool }: Database,
  { provider, subject }: Pick<AccessToken, 'provider' | 'subject'>,
): Promise<string> {
  const { rows } = await pool.query<{ email: string }>(
    'select email from countersign.person where provider = $1 and subject = $2',
    [provider, subject],
  );
  const owner = rows[0]?.email;
  if (owner === undefined)
    throw new BadBearer('its person has never signed in here: sign in to the console once');
  return owner;
}
