import type { AuditLog } from '#src/audit/log.ts';
import { BadBearer, type Bearers } from '#src/identity/bearer.ts';
import { recordsFailures } from '#src/identity/failed.ts';
import type { AccessToken } from '#src/identity/bearer.ts';
import type { Directory } from '#src/identity/person.ts';
import { NotWelcome } from '#src/identity/sign-in.ts';
import type { Scope, Tokens } from '#src/identity/token.ts';
import { OauthError } from './errors.ts';
import type { Grant } from './grant.ts';

/** What the grants of machines and agents lean on. */
export type Proofs = {
  readonly audit: Pick<AuditLog, 'later'>;
  readonly bearers: Bearers;
  readonly tokens: Tokens;
  readonly directory: Directory;
  /** Whose access token it is; rejects with BadBearer for nobody. */
  readonly ownerOf: (token: AccessToken) => Promise<string>;
  /** True the first time that these parts come, at every gateway; remembered until then (milliseconds since the epoch). */
  readonly once: (parts: readonly string[], until: number) => Promise<boolean>;
  /** Longest life of what is issued, in milliseconds. */
  readonly lifetimeMs: () => number;
};

/** A token that proves nothing is `invalid_grant`; one that cannot be checked now may be tried again. Failures are recorded. */
export function proving({ audit }: Pick<Proofs, 'audit'>, via: string, grant: Grant): Grant {
  const failed = recordsFailures(audit);
  return async (request) => {
    try {
      return await grant(request);
    } catch (error) {
      if (error instanceof BadBearer) {
        failed({ via, why: error.message, client: request.address });
        throw new OauthError('invalid_grant', `${error.message}.`);
      }
      // What it comes from has ended meanwhile.
      if (error instanceof NotWelcome) throw new OauthError('invalid_grant', error.message);
      throw error;
    }
  };
}

/** RFC 6749 section 3.3: what is asked for out of what can be had; all of it when nothing is asked. Never `decide`. */
export function scopesOf(asked: string | undefined, own: readonly Scope[]): readonly Scope[] {
  const can = own.filter((scope) => scope !== 'decide');
  const names = (asked ?? '').split(' ').filter((name) => name !== '');
  const scopes = names.length === 0 ? can : can.filter((scope) => names.includes(scope));
  if (scopes.length === 0 || names.some((name) => !can.some((scope) => scope === name)))
    throw new OauthError('invalid_scope', `There is ${can.join(' ') || 'nothing'} to be had here.`);
  return scopes;
}

/** A field that must be there, once and not empty. */
export function field(form: ReadonlyMap<string, string>, name: string): string {
  const value = form.get(name) ?? '';
  if (value === '') throw new OauthError('invalid_request', `The field ${name} is missing.`);
  return value;
}
