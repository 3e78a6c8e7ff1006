import type { IdentityConfig, ProviderConfig } from '../config/identity.ts';
import { personKey } from './people.ts';
import { NotWelcome, type Assertion } from './sign-in.ts';

/** What the store knows of somebody. */
export type PersonRow = {
  readonly email: string;
  readonly provider: string | null;
  readonly subject: string | null;
  readonly name: string;
  readonly groups: readonly string[];
  readonly state: 'active' | 'gone' | 'deactivated';
  readonly scim: boolean;
  /** What the provider said counts still. */
  readonly valid: boolean;
};

// Printable ASCII only: letters that look alike, or become others in lower case, would be other people's addresses.
const EMAIL = /^[\x21-\x3f\x41-\x7e]{1,64}@[A-Za-z0-9.-]{1,189}$/;
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;
const LONGEST_NAME = 200;
const LONGEST_SUBJECT = 1_024;
const MOST_GROUPS = 1_000;
const LONGEST_GROUP = 256;

/** The assertion with its address as a key; throws NotWelcome for what this provider may not say or nobody can be called. */
export function checkAssertion(
  assertion: Assertion,
  provider: ProviderConfig | undefined,
): Assertion {
  if (!provider)
    throw new NotWelcome(`There is no provider "${assertion.provider.slice(0, 100)}" here.`);
  const email = addressOf(assertion.email, provider);
  const { subject } = assertion;
  if (subject === '' || subject.length > LONGEST_SUBJECT || subject.includes('\0'))
    throw new NotWelcome(`${provider.label} did not say who you are there. Ask who runs it.`);
  const name = assertion.name.replaceAll(UNSEEN, ' ').trim().slice(0, LONGEST_NAME) || email;
  return { ...assertion, email, name, groups: usable(assertion.groups) };
}

/** The key of an address that this provider may speak for; throws NotWelcome. */
export function addressOf(address: string, provider: ProviderConfig): string {
  if (!EMAIL.test(address))
    throw new NotWelcome(
      `${provider.label} did not give an e-mail address that can be used here. Ask who runs it.`,
    );
  const email = personKey(address);
  const domain = email.slice(email.lastIndexOf('@') + 1);
  if ('domains' in provider && provider.domains && !provider.domains.includes(domain))
    throw new NotWelcome(
      `${provider.label} may not speak for addresses of ${domain}. Sign in with the provider of your address.`,
    );
  return email;
}

/** Each once; those that no rule could name are left out, and beyond a thousand nobody is believed. */
function usable(groups: readonly string[]): readonly string[] {
  const named = [...new Set(groups)].filter(
    (group) => group !== '' && group.length <= LONGEST_GROUP && !group.includes('\0'),
  );
  if (named.length > MOST_GROUPS)
    throw new NotWelcome(
      `The provider gives you more than ${MOST_GROUPS} groups. Ask the operator to choose those that count.`,
    );
  return named;
}

/** Why somebody may not come in, given who the store knows under this address, and under another one with this subject. */
export function refusalOf(
  { provider, subject, email }: Assertion,
  row: PersonRow | undefined,
  other: PersonRow | undefined,
  identity: IdentityConfig,
): string | undefined {
  if (identity.machines.has(email)) return `${email} is the address of a machine here.`;
  if (other)
    return `You are known here as ${other.email}. When your address has changed, ask the operator to release it.`;
  const config = identity.providers.get(provider);
  if (config && 'scim' in config && config.scim && !row?.scim)
    return `${config.label} has not announced ${email} here. Ask who runs it to assign you this application.`;
  return row && refusalOfRow(row, provider, subject);
}

function refusalOfRow(row: PersonRow, provider: string, subject: string): string | undefined {
  const { email, state } = row;
  if (state === 'deactivated') return `${email} was deactivated. Ask the operator.`;
  const theirs =
    (row.provider === null || row.provider === provider) &&
    (row.subject === null || row.subject === subject);
  return theirs
    ? undefined
    : `${email} belongs to another account. When the address has changed hands, ask the operator to release it.`;
}
