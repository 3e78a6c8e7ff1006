import type { SamlConfig } from '../../config/identity.ts';
import type { Assertion } from '../sign-in.ts';
import type { Said } from './assertion.ts';
import { refuse } from './refuse.ts';
import { textOf } from './xml.ts';

const MOST_GROUPS = 1_000;
/** ASCII only: other letters can look like somebody else, and some become another person's address in lower case. */
const ADDRESS = /^[!#-'*+\-/-9=?A-Z^-~.]{1,64}@[A-Za-z0-9.-]{1,190}$/;

/** The person as the configuration reads the provider's words. Throws NotWelcome with what is missing. */
export function assertionOf(config: SamlConfig, said: Said): Assertion {
  const email = readEmail(config, said);
  const { claims } = config;
  return {
    provider: config.name,
    subject: said.nameId.value,
    email,
    name: readName(only(said, claims.name)) ?? email,
    groups: readGroups(config, said),
    authTime: said.authTime,
    ...(said.acr !== undefined && { acr: said.acr }),
    ...(said.sessionIndex !== undefined && { sid: said.sessionIndex }),
    ...(said.sessionUntil !== undefined && { until: said.sessionUntil }),
  };
}

const texts = ({ nameId, attributes }: Said, name: string): readonly string[] =>
  name === 'nameID' ? [nameId.value] : (attributes.get(name) ?? []).map(textOf);

/** The value, or undefined for none; several would leave open who it is. */
function only(said: Said, name: string): string | undefined {
  const [value, second] = texts(said, name);
  return second === undefined ? value : refuse(`the attribute ${name} has several values`);
}

function readEmail({ claims, domains }: SamlConfig, said: Said): string {
  const value = only(said, claims.email) ?? '';
  if (!ADDRESS.test(value))
    refuse(
      `${claims.email === 'nameID' ? 'the NameID' : `the attribute ${claims.email}`} holds no usable e-mail address; the operator has to look at claims in identity.providers`,
    );
  const email = value.toLowerCase();
  const domain = email.slice(email.lastIndexOf('@') + 1);
  if (domains && !domains.includes(domain))
    refuse(`this provider may not speak for addresses of ${domain} here`);
  return email;
}

function readName(value: string | undefined): string | undefined {
  const name = value
    ?.toWellFormed()
    .replaceAll(/[\p{Cc}\p{Cf}]/gu, '')
    .trim();
  return name === '' ? undefined : name?.slice(0, 200);
}

/**
 * Entra ID leaves groups out when there are too many, and says so. Taken as none, rules that forbid something to a group
 * would no longer apply.
 */
const TOO_MANY = 'http://schemas.microsoft.com/claims/groups.link';

function readGroups({ claims, groups }: SamlConfig, said: Said): readonly string[] {
  if (said.attributes.has(TOO_MANY))
    refuse(
      'you are in too many groups for it to name; the operator has to let it send only those that are assigned to Countersign',
    );
  const given = texts(said, claims.groups);
  if (given.length > MOST_GROUPS) refuse(`it names more than ${MOST_GROUPS} groups`);
  const known = groups ? given.flatMap((each) => groups.get(each) ?? []) : given;
  return [...new Set(known.filter((each) => each !== ''))].toSorted();
}
