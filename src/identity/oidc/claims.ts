import type { OidcConfig } from '../../config/identity.ts';
import { NotWelcome, type Assertion } from '../sign-in.ts';

export type Claims = { readonly [claim: string]: unknown };
export type Said = Pick<Assertion, 'subject' | 'email' | 'name' | 'groups'>;

const MOST_GROUPS = 1_000;
const GOOGLE = 'https://accounts.google.com';
/** ASCII only: other letters can look like somebody else, and some become another person's address in lower case. */
const ADDRESS = /^[!#-'*+\-/-9=?A-Z^-~.]{1,64}@[A-Za-z0-9.-]{1,190}$/;

/** Who the claims speak of, as the configuration reads them. Throws NotWelcome with what is missing. */
export function readClaims(config: OidcConfig, claims: Claims): Said {
  const { sub } = claims;
  if (typeof sub !== 'string' || sub === '' || sub.length > 255)
    throw new NotWelcome(`${config.label} does not say who this is: its token has no sub.`);
  const email = readEmail(config, claims);
  return {
    subject: sub,
    email,
    name: readName(at(claims, config.claims.name)) ?? email,
    groups: readGroups(config, claims),
  };
}

/** True when the claims say all that the configuration reads, so that userinfo need not be asked. */
export function saysAll({ claims: names }: OidcConfig, claims: Claims): boolean {
  return [names.email, names.name, names.groups].every((name) => at(claims, name) !== undefined);
}

/** A claim by its name, else by its path: `realm_access.roles`. */
export function at(claims: unknown, path: string): unknown {
  const whole = own(claims, path);
  if (whole !== undefined) return whole;
  const dot = path.indexOf('.');
  return dot < 0 ? undefined : at(own(claims, path.slice(0, dot)), path.slice(dot + 1));
}

function own(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined;
}

function readEmail(config: OidcConfig, claims: Claims): string {
  const { label, domains } = config;
  const value = at(claims, config.claims.email);
  if (typeof value !== 'string' || !ADDRESS.test(value))
    throw new NotWelcome(
      `${label} gives no usable e-mail address in the claim ${config.claims.email}: ask the operator to look at identity.providers.`,
    );
  const email = value.toLowerCase();
  if (config.verifiedEmail === 'required') demandVerified(config, claims, email);
  const domain = email.slice(email.lastIndexOf('@') + 1);
  if (domains && !domains.includes(domain))
    throw new NotWelcome(`${label} may not speak for addresses of ${domain} here.`);
  demandWorkspace(config, claims, domain);
  return email;
}

/** `email_verified` speaks of the claim `email`, and of no other. */
function demandVerified(config: OidcConfig, claims: Claims, email: string): void {
  const spoken = typeof claims['email'] === 'string' ? claims['email'].toLowerCase() : undefined;
  if (claims['email_verified'] === true && spoken === email) return;
  throw new NotWelcome(
    `${config.label} has not verified the address ${email}: verify it there, or ask the operator.`,
  );
}

/** Whoever owns a mailbox can have a private Google account of that address; only `hd` says that it is the company's. */
function demandWorkspace(config: OidcConfig, claims: Claims, domain: string): void {
  if (config.issuer !== GOOGLE || domain === 'gmail.com') return;
  const { hd } = claims;
  const hosted = typeof hd === 'string' ? hd.toLowerCase() : undefined;
  if (hosted === undefined || (hosted !== domain && !config.domains?.includes(hosted)))
    throw new NotWelcome(`This is not the account of ${domain} at Google Workspace: use that one.`);
}

function readName(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined;
  const name = value
    .toWellFormed()
    .replaceAll(/[\p{Cc}\p{Cf}]/gu, '')
    .trim();
  return name === '' ? undefined : name.slice(0, 200);
}

function readGroups(config: OidcConfig, claims: Claims): readonly string[] {
  const { label, groups: ours } = config;
  const path = config.claims.groups;
  demandWhole(label, path, claims);
  const value = at(claims, path) ?? [];
  const given: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (given.length > MOST_GROUPS || !given.every((each) => typeof each === 'string'))
    throw new NotWelcome(
      `${label} gives groups in the claim ${path} that cannot be read: a list of at most ${MOST_GROUPS} texts is expected.`,
    );
  const known = ours ? given.flatMap((each) => ours.get(each) ?? []) : given;
  return [...new Set(known.filter((each) => each !== ''))].toSorted();
}

/**
 * Entra ID leaves groups out of a token when there are too many, and says so. Taken as none, rules that forbid
 * something to a group would no longer apply.
 */
function demandWhole(label: string, path: string, claims: Claims): void {
  const head = path.split('.')[0] ?? path;
  const elsewhere = own(claims['_claim_names'], head) !== undefined || claims['hasgroups'] === true;
  if (elsewhere)
    throw new NotWelcome(
      `${label} gives too many groups to fit in its token: have it send only those assigned to Countersign, or app roles.`,
    );
}
