import type { Person } from '../identity/person.ts';
import type { Request } from './request.ts';
import { authority } from './tally.ts';

/** Their members see every request. */
export const WATCH_REQUESTS: readonly string[] = ['security', 'oncall'];

/** A request is seen by who asked, by the groups that can release it, and by `security` and `oncall`. */
export function maySeeRequest(person: Person, request: Request): boolean {
  return (
    request.card.person.email === person.email ||
    authority(request, person).length > 0 ||
    person.groups.some((group) => WATCH_REQUESTS.includes(group))
  );
}
