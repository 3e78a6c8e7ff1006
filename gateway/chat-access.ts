import type { Grant, Request } from '#src/approval/request.ts';
import type { GrantFilter } from '#src/approval/grants.ts';
import { personKey } from '#src/identity/people.ts';
import type { Person } from '#src/identity/person.ts';
import { mentions } from '#src/policy/ast.ts';
import type { Rule } from '#src/policy/rule.ts';
import {
  ask,
  endGrant,
  listGrants,
  readGrant,
  reviewGrant,
  withdraw,
  type Asking,
  type AskingDeps,
} from './api/asking.ts';
import type { Caller } from './api/authenticate.ts';
import { Problem } from './api/problem.ts';
import { reasonText } from './api/schemas.ts';
import { ON_CALL as ROTA } from '#src/policy/who.ts';
import type { Core } from './core.ts';
import { reached } from './oauth/metadata.ts';
import type { Offer } from './roles.ts';

/** Where clients reach PostgreSQL, as it is told to people. */
export type Reached = { readonly host: string; readonly port: number };

type Via = 'slack' | 'teams';
const MOST = 100;
const ON_CALL = 'oncall';
const REVIEWERS: readonly string[] = ['security'];

/** Somebody whom chat knows may do what a sign-in of the console may: the same checks, and the same records, follow. */
export const callerOf = (person: Person): Caller => ({
  person,
  scopes: ['connect', 'read', 'decide'],
});

/** What somebody wrote, as far as the API would take it. Throws a Problem. */
function written(text: string): string {
  const { data, error } = reasonText.safeParse(text);
  if (data !== undefined) return data;
  const why = error?.issues.map(({ message }) => message).join('; ') ?? '';
  throw new Problem(
    422,
    'text-not-valid',
    `Write it in at most 1000 characters, without control characters (${why}).`,
  );
}

/** What the gateway does for people in chat about roles (`AccessOffice` of the bot). */
export function accessOffice(core: Core, postgres: Reached) {
  const { requests, roles, audit, config, reload } = core;
  const deps: AskingDeps = {
    requests,
    access: { ...requests, rules: roles },
    audit,
    publicUrl: config.publicUrl,
  };
  return {
    offers: (person: Person): Promise<readonly Offer[]> => roles.offers(person),
    ask: async (person: Person, asking: Asking, via: Via): Promise<Request> =>
      await ask(
        deps,
        callerOf(person),
        { ...asking, reason: written(asking.reason) },
        { via, address: 'chat' },
      ),
    withdraw: (person: Person, request: string): Promise<void> =>
      withdraw(deps, callerOf(person), request),
    /** What they asked for that still waits, and what they could decide; newest first. */
    async waiting(person: Person) {
      const states = ['pending'] as const;
      const [own, toDecide] = await Promise.all([
        requests.list({ states, visibleTo: { ...person, groups: [] }, limit: MOST }),
        person.machine ? [] : requests.list({ states, decidableBy: person, limit: MOST }),
      ]);
      return { own, toDecide };
    },
    grants: (person: Person, filter: GrantFilter): Promise<readonly Grant[]> =>
      listGrants(deps, person, filter),
    grant: (person: Person, id: string): Promise<Grant> => readGrant(deps, person, id),
    endGrant: async (person: Person, grant: string, reason: string): Promise<Grant> =>
      await endGrant(deps, callerOf(person), grant, written(reason)),
    review: async (person: Person, grant: string, text: string): Promise<Grant> =>
      await reviewGrant(deps, callerOf(person), grant, written(text)),
    reviewers: ({ reviewers, person }: Grant): Promise<readonly string[]> =>
      members(core, reviewers.length > 0 ? reviewers : REVIEWERS, person),
    /** Everybody who approves something on the target, who reviews, and who is on call. */
    async alarmed({ card }: Request) {
      const reviewers = card.access?.reviewers ?? [];
      const environment = reload.config.targets.get(card.target)?.environment;
      const groups = new Set([
        ...approversOn(reload.policy.rules, card.target, environment),
        ...(reviewers.length > 0 ? reviewers : REVIEWERS),
        ON_CALL,
      ]);
      const sorted = [...groups].toSorted();
      return { groups: sorted, people: await members(core, sorted, card.person.email) };
    },
    connect: ({ email }: Pick<Person, 'email'>, target: string): string =>
      `psql "host=${reached(postgres.host, config.publicUrl)} port=${postgres.port} user=${email} dbname=${target}"`,
  };
}

/** Groups of which rules about this target, or about no target by name, ask somebody to agree. */
function approversOn(
  rules: Iterable<Rule>,
  target: string,
  environment: string | undefined,
): readonly string[] {
  const groups: string[] = [];
  for (const { json, terms } of rules) {
    if (!terms.hold) continue;
    const places = mentions(json).filter(({ place }) => place === 'resource');
    const applies = ({ type, id }: { readonly type: string; readonly id: string }): boolean =>
      type === 'Environment' ? id === environment : id === target || id.startsWith(`${target}/`);
    if (places.length === 0 || places.some(applies)) groups.push(terms.hold.group);
  }
  return groups;
}

/** E-mail addresses of people (no machines) who are in one of these groups now; `but` is left out. */
export async function members(
  { db, directory, onCall }: Pick<Core, 'db' | 'directory' | 'onCall'>,
  groups: readonly string[],
  but: string,
): Promise<readonly string[]> {
  const { rows } = await db.pool.query<{ email: string }>(
    `select email from countersign.person where state = 'active' and groups && $1::text[]`,
    [groups],
  );
  const rotas = groups.filter((group) => group.startsWith(ROTA));
  const duty = await Promise.all(rotas.map((name) => onCall.members(name.slice(ROTA.length))));
  const onDuty = new Set(duty.flat());
  const known = new Set([...directory.configured(), ...rows.map(({ email }) => email), ...onDuty]);
  const people = await Promise.all([...known].map((email) => directory.find(email)));
  return people
    .filter((person) => person !== undefined)
    .filter(({ email, machine }) => !machine && personKey(email) !== personKey(but))
    .filter(
      (person) =>
        onDuty.has(personKey(person.email)) ||
        person.groups.some((group) => groups.includes(group)),
    )
    .map(({ email }) => email)
    .toSorted();
}
