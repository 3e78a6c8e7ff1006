import type { Agent, Person, Subject } from '#src/identity/person.ts';

/** Grants are asked for at most this often for one person. */
const GRANTS_MS = 1_000;

/**
 * People as the directory knows them now, with the roles of their grants as of the last second, and with the agent that
 * acts for them. Nobody for an agent that is not configured any more.
 */
export function subjects(
  find: (email: string) => Promise<Person | undefined>,
  rolesOf: (email: string) => Promise<string[]>,
  agents: ReadonlyMap<string, Agent>,
): (email: string, agent?: string) => Promise<Subject | undefined> {
  const cache = new Map<string, { readonly until: number; readonly subject: Promise<Subject> }>();
  const own = async (email: string): Promise<Subject | undefined> => {
    const person = await find(email);
    if (!person) return undefined;
    const known = cache.get(person.email);
    // The same object as long as nothing changed: verdicts are cached by it.
    if (known && known.until > performance.now()) {
      const subject = await known.subject;
      if (subject.person === person) return subject;
    }
    const subject = rolesOf(person.email).then((roles) => ({ person, roles }));
    subject.catch(() => cache.delete(person.email));
    cache.set(person.email, { until: performance.now() + GRANTS_MS, subject });
    return await subject;
  };
  const acting = new WeakMap<Subject, Map<string, Subject>>();
  return async (email, id) => {
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
}
