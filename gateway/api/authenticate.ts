import type { FastifyRequest } from 'fastify';
import type { Agent, Person } from '#src/identity/person.ts';
import { recordsFailures } from '#src/identity/failed.ts';
import type { SignIn } from '#src/identity/sign-ins.ts';
import type { Scope } from '#src/identity/token.ts';
import type { HttpDeps } from './deps.ts';
import type { Failures } from './failures.ts';
import { Problem } from './problem.ts';

export type Caller = {
  readonly person: Person;
  readonly scopes: readonly Scope[];
  /** Of the two, how they came: signed in to the console, or with the token of this id. */
  readonly signIn?: SignIn;
  readonly token?: string;
  /** Acts for the person; `person` then has only the groups that both have. */
  readonly agent?: string;
};
export type Authenticate = (request: FastifyRequest, scope: Scope) => Promise<Caller>;

/** Resolves the person signed in to the console, undefined when nobody is; a POST must carry its form token. */
export type CookieCaller = (request: FastifyRequest) => Promise<Caller | undefined>;

const BEARER = /^Bearer ([\x21-\x7e]{1,512})$/iu;
const OTHERS: readonly Scope[] = ['read', 'decide', 'connect'];

/** Counts a failure, and throws the 429 while its address has failed too often. What is right is never asked about this. */
export function limitFailures(failures: Failures, address: string): void {
  const seconds = failures.wait(address);
  failures.add(address);
  if (seconds > 0)
    throw new Problem(
      429,
      'too-many-attempts',
      `Too many failed sign-ins from this address. Try again in ${seconds} s.`,
    );
}

/** Who a token speaks for, as the directory knows them now. */
export async function personOf(deps: HttpDeps, email: string): Promise<Person> {
  const person = await deps.directory.find(email);
  if (!person)
    throw new Problem(
      401,
      'nobody',
      'The token belongs to nobody who is known here any more. Ask an administrator.',
    );
  return person;
}

/** An agent reads no more than its person, and no more than its own groups let it. Throws the 401 for one that is gone. */
function lesser(person: Person, agent: Agent | undefined): Person {
  if (!agent)
    throw new Problem(401, 'nobody', 'The agent of this token is not known here any more.');
  // What the person decides for others, no agent does.
  const { stands: _, ...own } = person;
  return { ...own, groups: person.groups.filter((group) => agent.groups.includes(group)) };
}

/** Throws the 403 of a sign-in that lacks a scope. */
export function demandScope(scopes: readonly Scope[], scope: Scope): void {
  if (!scopes.includes(scope))
    throw new Problem(
      403,
      'missing-scope',
      `This token lacks the scope ${scope}. Use one that has it: countersign token issue --scope ${scope}.`,
    );
}

/** Bearer token first, else the console's cookie; 401 when neither speaks for anybody, 403 when the scope is missing. */
export function makeAuthenticate(
  deps: HttpDeps,
  failures: Failures,
  cookie: CookieCaller,
): Authenticate {
  const failed = recordsFailures(deps.audit);
  async function checkBearer(token: string, scope: Scope): Promise<Caller | undefined> {
    for (const each of [scope, ...OTHERS.filter((other) => other !== scope)]) {
      const info = await deps.tokens.check(token, each);
      if (!info) continue;
      demandScope(info.scopes, scope);
      const person = await personOf(deps, info.person);
      const { scopes, agent, id } = info;
      if (agent === undefined) return { person, scopes, token: id };
      return { person: lesser(person, deps.identity.agents.get(agent)), scopes, token: id, agent };
    }
    return undefined;
  }
  return async (request, scope) => {
    const header = request.headers.authorization;
    if (header === undefined) {
      const caller = await cookie(request);
      if (caller) {
        demandScope(caller.scopes, scope);
        return caller;
      }
      throw new Problem(
        401,
        'no-token',
        'This needs a token. Send it as "Authorization: Bearer <token>".',
      );
    }
    const token = BEARER.exec(header)?.[1] ?? '';
    const caller = token === '' ? undefined : await checkBearer(token, scope);
    if (caller) return caller;
    limitFailures(failures, request.ip);
    failed({ via: 'api', why: 'the token is unknown or has ended', client: request.ip });
    throw new Problem(
      401,
      'bad-token',
      'The token is unknown, expired or revoked. Issue a new one: countersign token issue.',
    );
  };
}
