import { personKey } from '../people.ts';
import { bad, ScimError } from './error.ts';
import type { Attributes, Complex } from './schema.ts';

const ADDRESS = /^[^\s@]+@[^\s@]+$/u;
const LONGEST = 254;

/** A provider that speaks SCIM, as the configuration has it. */
export type ScimProvider = {
  readonly name: string;
  /** Its name or key of a group → ours; undefined: all, under their own names. */
  readonly groups?: ReadonlyMap<string, string>;
  /** Lower case; undefined: any. */
  readonly domains?: readonly string[];
};

/**
 * The address that is the person here: the primary e-mail, else the one of type work, else the first, else userName.
 * One of them and never two, so that one person is not two. Throws ScimError for what is no address, or not of a domain
 * that this provider speaks for.
 */
export function keyOf(user: Attributes, { domains }: ScimProvider): string {
  const email = personKey(addressOf(user));
  if (!ADDRESS.test(email) || email.length > LONGEST)
    throw bad(
      'invalidValue',
      'Neither emails nor userName holds an e-mail address, by which persons are known here.',
    );
  const domain = email.slice(email.indexOf('@') + 1);
  if (domains && !domains.includes(domain))
    throw new ScimError(
      403,
      `This provider does not speak for ${JSON.stringify(domain)}: see its domains in countersign.yaml.`,
    );
  return email;
}

function addressOf(user: Attributes): string {
  const { emails, userName } = user;
  const list: readonly Complex[] = Array.isArray(emails) ? emails : [];
  const chosen =
    list.find(({ primary }) => primary === true) ??
    list.find(({ type }) => textOf(type).toLowerCase() === 'work') ??
    list[0];
  return chosen ? textOf(chosen['value']) : textOf(userName);
}

export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** As people read it. */
export function nameOf(user: Attributes): string {
  const { displayName, name, userName } = user;
  if (typeof displayName === 'string') return displayName;
  const parts: object = typeof name === 'object' && !Array.isArray(name) ? name : {};
  const part = (key: string): string => textOf(Reflect.get(parts, key));
  const both = [part('givenName'), part('familyName')].filter(Boolean).join(' ');
  return part('formatted') || both || textOf(userName);
}

/** Our name of a group, null when it counts for nothing here. */
export function roleOf(group: Attributes, { groups }: ScimProvider): string | null {
  const name = textOf(group['displayName']);
  if (!groups) return name;
  return groups.get(textOf(group['externalId'])) ?? groups.get(name) ?? null;
}
