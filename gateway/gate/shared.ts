import { shared, type Shared } from '#src/audit/shared.ts';
import type { Subject } from '#src/identity/person.ts';
import type { Effect } from '#src/statement/effect.ts';
import { writeEffects } from '#src/statement/recorded.ts';

/** By the analyser's own objects: a statement that comes again has the same ones. */
const effects = new WeakMap<readonly Effect[], { readonly is: Shared | undefined }>();
const subjects = new WeakMap<Subject, { readonly is: Shared | undefined }>();

/** What a statement would do, to be judged again under other rules. */
export function sharedEffects(of: readonly Effect[]): Shared | undefined {
  let known = effects.get(of);
  if (!known) effects.set(of, (known = { is: shared(writeEffects(of)) }));
  return known.is;
}

/** The groups and roles that a statement was judged with; whose they were stands in the record itself. */
export function sharedSubject(of: Subject): Shared | undefined {
  let known = subjects.get(of);
  if (!known) subjects.set(of, (known = { is: shared(writeSubject(of)) }));
  return known.is;
}

function writeSubject({ person, agent, roles }: Subject): string {
  return JSON.stringify({
    groups: person.groups.toSorted(),
    roles: roles.toSorted(),
    ...(agent && { agent: agent.groups.toSorted() }),
  });
}
