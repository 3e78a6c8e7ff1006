import type { Devices, Polled } from '#src/identity/devices.ts';
import { NotWelcome } from '#src/identity/sign-in.ts';
import type { Directory } from '#src/identity/person.ts';
import type { Tokens } from '#src/identity/token.ts';
import type { Sql } from '#src/store/database.ts';
import { OauthError } from './errors.ts';
import { tokenReply, type Grant } from './grant.ts';

/** The `client_id` of `countersign login`, whose token people use as a password. */
const COMMAND_LINE = 'countersign-cli';
export const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';

const ERRORS: Readonly<Record<Exclude<Polled['kind'], 'approved'>, readonly [string, string]>> = {
  pending: ['authorization_pending', 'Nobody has confirmed the code yet.'],
  'too-fast': ['slow_down', 'Ask less often: five seconds more between two questions.'],
  denied: ['access_denied', 'The person has denied this sign-in.'],
  expired: ['expired_token', 'The code has expired. Begin again.'],
  unknown: ['invalid_grant', 'This device code is unknown, was used, or is of another client.'],
};

type Parts = {
  readonly devices: Devices;
  readonly tokens: Tokens;
  readonly directory: Directory;
};

/** RFC 8628 section 3.4: the token of a person who has confirmed it in the console. */
export function deviceGrant({ devices, tokens, directory }: Parts): Grant {
  return async ({ form, clientId }) => {
    const polled = await devices.poll(form.get('device_code') ?? '', clientId);
    if (polled.kind !== 'approved') throw new OauthError(...ERRORS[polled.kind]);
    const { person, scopes, lifetimeMs, address, parent, login } = polled;
    // Between the confirmation and now they may have been let go.
    const signedIn = parent === undefined || (await tokens.find(parent)) !== undefined;
    if (!signedIn || lifetimeMs <= 0 || !(await directory.find(person))) throw letGo();
    const label = `${clientId} at ${address}`;
    // A live password would keep libpq 18 from coming back with this token by OAUTHBEARER.
    const kind = {
      password: clientId === COMMAND_LINE,
      ...(parent !== undefined && { parent }),
      stands: (sql: Sql) => devices.stands(sql, login),
    };
    const { token, info } = await tokens
      .issue(person, scopes, label, lifetimeMs, kind)
      .catch((error: unknown) => {
        throw error instanceof NotWelcome ? letGo() : error;
      });
    return tokenReply(token, info);
  };
}

const letGo = (): OauthError =>
  new OauthError('access_denied', 'Whoever confirmed this may not sign in any more.');
