import type { Config } from '../config/config.ts';
import type { Directory, Person } from './person.ts';

/** The form in which an email is a key: lower case. */
export function personKey(email: string): string {
  return email.toLowerCase();
}

/** The people of the configuration; emails are compared without regard to case. */
export function directoryOf(people: Config['people']): Directory {
  const byEmail = new Map<string, Person>();
  for (const [email, { name, groups }] of people) {
    const key = personKey(email);
    if (byEmail.has(key)) throw new Error(`people: ${email} is there twice; remove one`);
    byEmail.set(key, { email: key, name, groups });
  }
  return { find: (email) => Promise.resolve(byEmail.get(personKey(email))) };
}
