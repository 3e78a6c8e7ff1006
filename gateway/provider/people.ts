import type { Config } from '#src/config/config.ts';
import { personKey } from '#src/identity/people.ts';
import type { Person } from '#src/identity/person.ts';

/** The domains that real providers of this configuration speak for. */
export function takenDomains({ providers }: Config['identity']): ReadonlySet<string> {
  return new Set(
    [...providers.values()].flatMap((each) => ('domains' in each ? (each.domains ?? []) : [])),
  );
}

/**
 * Who may be signed in by a click: the people of the configuration as it is now, but never one of a domain that a real
 * provider speaks for, or that provider's password would be worth nothing.
 */
export function clickable(
  people: Config['people'],
  taken: ReadonlySet<string>,
): ReadonlyMap<string, Person> {
  const all = [...people].map(([email, { name, groups }]) => {
    const key = personKey(email);
    return [key, { email: key, name, groups }] as const;
  });
  return new Map(all.filter(([key]) => !taken.has(domainOf(key))));
}

export const domainOf = (email: string): string => email.slice(email.lastIndexOf('@') + 1);
