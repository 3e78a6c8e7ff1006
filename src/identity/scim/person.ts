import type { OidcConfig, SamlConfig } from '../../config/identity.ts';
import { NotWelcome } from '../sign-in.ts';
import { addressOf } from '../welcome.ts';
import { bad } from './error.ts';
import type { Attributes, Complex } from './schema.ts';

const LONGEST_NAME = 200;
const LONGEST_GROUP = 256;
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** A provider that speaks SCIM, as the configuration has it. */
export type ScimProvider = OidcConfig | SamlConfig;

/**
 * The address that is the person here: the primary e-mail, else the one of type work, else the first, else userName.
 * One of them and never two, so that one person is not two. Throws ScimError for what is no address, or not of a domain
 * that this provider speaks for.
 */
export function keyOf(user: Attributes, provider: ScimProvider): string {
  try {
    return addressOf(writtenAddress(user), provider);
  } catch (error) {
    if (error instanceof NotWelcome) throw bad('invalidValue', error.message);
    throw error;
  }
}

function writtenAddress(user: Attributes): string {
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
  const name = spoken(user).replaceAll(UNSEEN, ' ').trim().slice(0, LONGEST_NAME);
  return name || textOf(user['userName']);
}

function spoken(user: Attributes): string {
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
  if (!groups) return name.length <= LONGEST_GROUP ? name : null;
  return groups.get(textOf(group['externalId'])) ?? groups.get(name) ?? null;
}
