import type { Config } from '../config/config.ts';
import type { Person } from './person.ts';

/** The form in which an email is a key: lower case. */
export function personKey(email: string): string {
  return email.toLowerCase();
}

/** The people and machines of the configuration by key. Throws when an address is there twice. */
export function peopleOf({
  people,
  identity,
}: Pick<Config, 'people' | 'identity'>): ReadonlyMap<string, Person> {
  const byEmail = new Map<string, Person>();
  const add = (email: string, person: Omit<Person, 'email'>): void => {
    const key = personKey(email);
    if (byEmail.has(key)) throw new Error(`people: ${email} is there twice; remove one`);
    byEmail.set(key, { email: key, ...person });
  };
  for (const [email, { name, groups }] of people) add(email, { name, groups });
  for (const [email, { name, groups }] of identity.machines)
    add(email, { name, groups, machine: true });
  return byEmail;
}
