import { createHash } from 'node:crypto';

/** Whose tokens a fake provider's look like. */
export type Shape = 'okta' | 'entra' | 'google' | 'keycloak' | 'plain';

export type IdpPerson = {
  readonly email: string;
  readonly name: string;
  /** As the product names them: Entra ID by GUID, Keycloak with a leading slash. */
  readonly groups?: readonly string[];
  /** Entra ID's app roles, Keycloak's realm roles. */
  readonly roles?: readonly string[];
  /** `sub`; default: made from the address, in the product's form. */
  readonly subject?: string;
  readonly emailVerified?: boolean;
  /** Entra ID: more than 200 groups, so the token only says where to ask for them. */
  readonly overage?: boolean;
  /** Google: false for a private account, whatever its address. */
  readonly workspace?: boolean;
  readonly disabled?: boolean;
};

export type Claims = Record<string, unknown>;

/** What each product does, as of 2026, beside the claims themselves. */
export type Product = {
  /** Of the issuer. */
  readonly path: string;
  readonly scopes: readonly string[];
  readonly refresh: 'offline_access' | 'access_type' | 'always';
  readonly endSession: boolean;
  readonly backchannel: boolean;
  /** Google and Entra ID do not say unless they are made to. */
  readonly authTime: boolean;
  readonly subject: (email: string) => string;
  readonly idToken: (base: Claims, person: IdpPerson) => Claims;
  readonly userinfo: (person: IdpPerson) => Claims;
  /** Of a JWT for an API. */
  readonly accessToken: (base: Claims, person: IdpPerson | undefined) => Claims;
};

export const TENANT = '6fa6c3b0-5c5f-4f6c-9a57-1d6d6d1f2a01';

const hash = (text: string): Buffer => createHash('sha256').update(text).digest();

/** The same GUID for the same text. */
export function guidOf(text: string): string {
  const hex = hash(text).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

const BASE = [
  'iss',
  'aud',
  'exp',
  'iat',
  'nonce',
  'sub',
  'at_hash',
  'auth_time',
  'sid',
  'acr',
] as const;

function only(claims: Claims, ...names: readonly string[]): Claims {
  return Object.fromEntries(Object.entries(claims).filter(([name]) => names.includes(name)));
}

const without = (claims: Claims, ...names: readonly string[]): Claims =>
  Object.fromEntries(Object.entries(claims).filter(([name]) => !names.includes(name)));

const scopesOf = ({ scope }: Claims): string => (typeof scope === 'string' ? scope : '');

const names = (name: string): Claims => {
  const [given = name, ...family] = name.split(' ');
  return { name, given_name: given, ...(family.length > 0 && { family_name: family.join(' ') }) };
};

const plain: Product = {
  path: '',
  scopes: ['openid', 'profile', 'email', 'groups', 'offline_access'],
  refresh: 'offline_access',
  endSession: true,
  backchannel: true,
  authTime: true,
  subject: (email) => `p-${hash(email).toString('hex').slice(0, 12)}`,
  idToken: (base, person) => ({ ...base, ...plain.userinfo(person), amr: ['pwd'] }),
  userinfo: ({ email, emailVerified = true, name, groups = [] }) => ({
    email,
    email_verified: emailVerified,
    name,
    groups,
  }),
  accessToken: (base) => base,
};

/** The id token that comes with an access token is thin: groups are said by userinfo alone. */
const okta: Product = {
  path: '',
  scopes: ['openid', 'profile', 'email', 'groups', 'offline_access'],
  refresh: 'offline_access',
  endSession: true,
  backchannel: false,
  authTime: true,
  subject: (email) =>
    `00u${hash(email).toString('base64url').replaceAll(/[-_]/gu, 'x').slice(0, 17)}`,
  idToken: (base, { email, name }) => ({
    ...only(base, 'iss', 'aud', 'exp', 'iat', 'nonce', 'sub', 'at_hash', 'auth_time'),
    ver: 1,
    jti: `ID.${hash(`${email}${String(base['iat'])}`).toString('base64url')}`,
    amr: ['pwd', 'mfa', 'otp'],
    idp: '00o1n8sbwArJ7OQRw406',
    name,
    email,
    preferred_username: email,
  }),
  userinfo: ({ email, emailVerified = true, name, groups }) => ({
    ...names(name),
    email,
    email_verified: emailVerified,
    preferred_username: email,
    locale: 'en_US',
    zoneinfo: 'America/Los_Angeles',
    updated_at: 1_760_000_000,
    // Who is in none of the filtered groups has no such claim.
    ...(groups && groups.length > 0 && { groups }),
  }),
  /** `sub` is the login, and `uid` the person; scopes are a list. */
  accessToken: (base, person) => ({
    ...only(base, 'iss', 'aud', 'exp', 'iat', 'auth_time'),
    ver: 1,
    jti: `AT.${hash(String(base['jti'])).toString('base64url')}`,
    cid: base['client_id'],
    ...(person && { uid: base['sub'] }),
    scp: scopesOf(base).split(' '),
    sub: person?.email ?? base['client_id'],
    ...(person?.groups && { groups: person.groups }),
  }),
};

/** v2.0 tokens of one tenant. `email` is there because it was asked for as an optional claim; nothing says that it is verified. */
const entra: Product = {
  path: `/${TENANT}/v2.0`,
  scopes: ['openid', 'profile', 'email', 'offline_access'],
  refresh: 'offline_access',
  endSession: true,
  backchannel: false,
  authTime: false,
  subject: (email) => hash(email).toString('base64url'),
  idToken: (base, person) => ({
    ...only(base, 'iss', 'aud', 'exp', 'iat', 'nonce', 'sub', 'auth_time', 'sid'),
    nbf: base['iat'],
    aio: hash(`aio${person.email}`).toString('base64'),
    email: person.email,
    name: person.name,
    oid: guidOf(person.email),
    preferred_username: person.email,
    rh: `1.${hash('rh').toString('base64url')}.`,
    tid: TENANT,
    uti: hash(String(base['iat'])).toString('base64url').slice(0, 22),
    ver: '2.0',
    ...entraGroups(person),
  }),
  userinfo: ({ email, name }) => ({
    ...names(name),
    picture: 'https://graph.microsoft.com/v1.0/me/photo/$value',
    email,
  }),
  accessToken: (base, person) => ({
    ...only(base, 'iss', 'aud', 'exp', 'iat', 'sub'),
    nbf: base['iat'],
    azp: base['client_id'],
    azpacr: '1',
    oid: person ? guidOf(person.email) : guidOf(String(base['client_id'])),
    tid: TENANT,
    ver: '2.0',
    ...(person
      ? {
          scp: scopesOf(base),
          name: person.name,
          preferred_username: person.email,
          ...entraGroups(person),
        }
      : { idtyp: 'app' }),
  }),
};

function entraGroups({ email, groups, roles, overage }: IdpPerson): Claims {
  const source = `https://graph.microsoft.com/v1.0/users/${guidOf(email)}/getMemberObjects`;
  return {
    ...(overage
      ? { _claim_names: { groups: 'src1' }, _claim_sources: { src1: { endpoint: source } } }
      : groups && { groups }),
    ...(roles && { roles }),
  };
}

const google: Product = {
  path: '',
  scopes: ['openid', 'profile', 'email'],
  refresh: 'access_type',
  endSession: false,
  backchannel: false,
  authTime: false,
  subject: (email) =>
    `1${BigInt(`0x${hash(email).toString('hex').slice(0, 16)}`)
      .toString()
      .padStart(20, '0')
      .slice(0, 20)}`,
  idToken: (base, person) => ({
    ...only(base, 'iss', 'aud', 'exp', 'iat', 'nonce', 'sub', 'at_hash'),
    azp: base['aud'],
    ...google.userinfo(person),
  }),
  userinfo: (person) => ({
    ...names(person.name),
    ...hosted(person),
    picture: 'https://lh3.googleusercontent.com/a/default=s96-c',
    email: person.email,
    email_verified: person.emailVerified ?? true,
  }),
  accessToken: (base) => base,
};

/** A Workspace account belongs to a domain; others do not. */
const hosted = ({ email, workspace = !email.endsWith('@gmail.com') }: IdpPerson): Claims =>
  workspace ? { hd: email.slice(email.indexOf('@') + 1) } : {};

/** With the mappers of the guide: group membership with full paths, and realm roles in the id token. */
const keycloak: Product = {
  path: '/realms/acme',
  scopes: ['openid', 'profile', 'email', 'roles', 'acr', 'basic', 'offline_access'],
  refresh: 'always',
  endSession: true,
  backchannel: true,
  authTime: true,
  subject: guidOf,
  idToken: (base, person) => ({
    ...only(base, ...BASE),
    jti: guidOf(`${person.email}${String(base['iat'])}`),
    typ: 'ID',
    azp: base['aud'],
    session_state: base['sid'],
    acr: '1',
    ...without(keycloak.userinfo(person), 'sub'),
  }),
  userinfo: ({ email, emailVerified = true, name, groups = [], roles = [] }) => ({
    ...names(name),
    email,
    email_verified: emailVerified,
    preferred_username: email.slice(0, email.indexOf('@')),
    groups: groups.map((group) => (group.startsWith('/') ? group : `/${group}`)),
    realm_access: {
      roles: ['default-roles-acme', 'offline_access', 'uma_authorization', ...roles],
    },
  }),
  accessToken: (base, person) => ({
    ...only(base, 'iss', 'exp', 'iat', 'jti', 'sub', 'auth_time'),
    typ: 'Bearer',
    azp: base['client_id'],
    aud: [base['aud'], 'account'],
    acr: '1',
    scope: base['scope'],
    'allowed-origins': ['/*'],
    ...(person
      ? keycloak.userinfo(person)
      : {
          preferred_username: `service-account-${String(base['client_id'])}`,
          client_id: base['client_id'],
        }),
  }),
};

export const PRODUCTS: Readonly<Record<Shape, Product>> = { plain, okta, entra, google, keycloak };
