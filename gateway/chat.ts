import type { Grant, Request } from '#src/approval/request.ts';
import type { GrantFilter } from '#src/approval/grants.ts';
import type { Person } from '#src/identity/person.ts';
import {
  ask,
  endGrant,
  listGrants,
  reviewGrant,
  withdraw,
  type Asking,
  type AskingDeps,
} from './api/asking.ts';
import type { Caller } from './api/authenticate.ts';
import type { Core } from './core.ts';
import type { Offer } from './roles.ts';

/** Where clients reach PostgreSQL, as it is told to people. */
type Reached = { readonly host: string; readonly port: number };

/** Somebody whom chat knows may do what a sign-in of the console may: the same checks, and the same records, follow. */
const callerOf = (person: Person): Caller => ({ person, scopes: ['connect', 'read', 'decide'] });

/** What the gateway does for people in chat (`Office` of the bot). */
export function chatOffice({ requests, roles, audit, config }: Core, postgres: Reached) {
  const deps: AskingDeps = {
    requests,
    access: { ...requests, rules: roles },
    audit,
    publicUrl: config.publicUrl,
  };
  return {
    access: {
      offers: (person: Person): Promise<readonly Offer[]> => roles.offers(person),
      ask: (person: Person, asking: Asking, via: 'slack' | 'teams'): Promise<Request> =>
        ask(deps, callerOf(person), asking, { via, address: '' }),
      withdraw: (person: Person, request: string): Promise<void> =>
        withdraw(deps, callerOf(person), request),
      grants: (person: Person, filter: GrantFilter): Promise<readonly Grant[]> =>
        listGrants(deps, person, filter),
      endGrant: (person: Person, grant: string, reason: string): Promise<Grant> =>
        endGrant(deps, callerOf(person), grant, reason),
      review: (person: Person, grant: string, text: string): Promise<Grant> =>
        reviewGrant(deps, callerOf(person), grant, text),
      connect: ({ email }: Person, target: string): string =>
        `psql "host=${postgres.host} port=${postgres.port} user=${email} dbname=${target}"`,
    },
  };
}
