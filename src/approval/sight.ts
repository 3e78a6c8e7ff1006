import type { Person } from '../identity/person.ts';
import type { Request } from './request.ts';

/** Their members see every request. */
export const WATCH_REQUESTS: readonly string[] = ['security', 'oncall'];

/** A request is seen by who asked, by the groups that can release it, and by `security` and `oncall`. */
export function maySeeRequest(person: Person, { card, requirement }: Request): boolean {
  const groups = [...requirement.groups.map(({ group }) => group), ...WATCH_REQUESTS];
  return (
    card.person.email === person.email || person.groups.some((group) => groups.includes(group))
  );
}
