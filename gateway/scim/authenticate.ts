import type { FastifyRequest } from 'fastify';
import type { AuditLog } from '#src/audit/log.ts';
import { ScimError } from '#src/identity/scim/error.ts';
import type { ScimService } from '#src/identity/scim/service.ts';
import { limitFailures } from '../api/authenticate.ts';
import { Failures } from '../api/failures.ts';

const BEARER = /^Bearer ([\x21-\x7e]{1,512})$/iu;
/** A minute and address: a provider that has the wrong token finds out with the first. */
const GUESSES = 10;

/**
 * Resolves the provider that a request speaks for. A provider that does not exist, one without SCIM and a wrong token get
 * the same answer. Throws ScimError, and Problem, without a record of each, while an address has guessed too often.
 */
export function makeAuthenticate(
  services: ReadonlyMap<string, ScimService>,
  audit: Pick<AuditLog, 'later'>,
): (request: FastifyRequest, provider: string) => Promise<ScimService> {
  const failures = new Failures(GUESSES);
  return async (request, provider) => {
    const token = BEARER.exec(request.headers.authorization ?? '')?.[1] ?? '';
    const service = services.get(provider);
    // Also while somebody at this address guesses: behind a proxy everybody has its address, and nobody may keep a
    // provider from telling who has left. 32 characters are not guessed, however often one tries.
    if (service && token !== '' && (await service.isToken(token))) return service;
    limitFailures(failures, request.ip);
    audit.later({
      kind: 'sign-in',
      body: {
        ok: false,
        via: 'scim',
        // Anything can stand in an address.
        provider: service ? provider : 'unknown',
        client: request.ip,
      },
    });
    throw new ScimError(
      401,
      'The token is not the one of this provider. Put identity.providers.<name>.scim.token into the provider.',
    );
  };
}
