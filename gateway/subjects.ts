import type { Roles } from '#src/identity/grants.ts';
import { personKey } from '#src/identity/people.ts';
import type { Agent, Person, Subject } from '#src/identity/person.ts';

export type Subjects = {
  readonly find: (email: string, agent?: string) => Promise<Subject | undefined>;
  /** Grants of this person (by key), or of anybody, have changed. */
  readonly forget: (key?: string) => void;
};

/** Grants are asked for at most this often for one person, and when one of theirs begins or ends. */
const GRANTS_MS = 1_000;

/**
 * People as the directory knows them now, with the roles of their grants as of the last second, and with the agent that
 * acts for them. Nobody for an agent that is not configured any more.
 */
export function subjects(
  find: (email: string) => Promise<Person | undefined>,
  rolesOf: (email: string) => Promise<Roles>,
  agents: ReadonlyMap<string, Agent>,
): Subjects {
  const cache = new Map<string, { until: number; readonly subject: Promise<Subject> }>();
  const own = async (email: string): Promise<Subject | undefined> => {
    const person = await find(email);
    if (!person) return undefined;
    const known = cache.get(person.email);
    // The same object as long as nothing changed: verdicts are cached by it.
    if (known && known.until > performance.now()) {
      const subject = await known.subject;
      if (subject.person === person) return subject;
    }
    const asked = performance.now();
    const subject = rolesOf(person.email).then(({ roles, forMs }) => {
      kept.until = Math.min(kept.until, asked + forMs);
      return { person, roles };
    });
    const kept = { until: asked + GRANTS_MS, subject };
    subject.catch(() => cache.delete(person.email));
    cache.set(person.email, kept);
    return await subject;
  };
  const acting = new WeakMap<Subject, Map<string, Subject>>();
  const acts = async (email: string, id?: string): Promise<Subject | undefined> => {
    const subject = await own(email);
    if (!subject || id === undefined) return subject;
    const agent = agents.get(id);
    if (!agent) return undefined;
    const known = acting.get(subject) ?? new Map<string, Subject>();
    acting.set(subject, known);
    const both = known.get(id) ?? { ...subject, agent: { id, groups: agent.groups } };
    known.set(id, both);
    return both;
  };
  return {
    find: acts,
    forget(key) {
      for (const email of cache.keys())
        if (key === undefined || personKey(email) === key) cache.delete(email);
    },
  };
}
