import type { Person } from './person.ts';

/** What a provider has said of somebody who signed in there just now, checked, with groups already under our names. */
export type Assertion = {
  /** Name of the provider in the configuration. */
  readonly provider: string;
  /** Who it is at the provider, for ever: `sub`, NameID. E-mail addresses change hands. */
  readonly subject: string;
  readonly email: string;
  readonly name: string;
  readonly groups: readonly string[];
  /** When they proved it, in milliseconds since the epoch; undefined when the provider does not say. */
  readonly authTime?: number;
  readonly acr?: string;
  readonly amr?: readonly string[];
  /** The session at the provider: `sid`, SessionIndex. Its end ends what was begun with it. */
  readonly sid?: string;
  /** For asking again while they work. */
  readonly refreshToken?: string;
  /** For a sign-out at the provider. */
  readonly idToken?: string;
  /** The session at the provider ends then, and with it the sign-in: milliseconds since the epoch. */
  readonly until?: number;
};

/** A sign-in, a token or a lookup was refused; the message may be shown to the person. */
export class NotWelcome extends Error {
  override name = 'NotWelcome';
}

/** What the store knows of somebody beside what the directory says. */
export type PersonState = {
  /** gone: the provider said so, and its next sign-in lifts it. deactivated: only SCIM or an administrator lifts it. */
  readonly state: 'active' | 'gone' | 'deactivated';
  readonly scim: boolean;
  readonly provider?: string;
};

/** People as providers have told of them, beside those of the configuration. */
export interface People {
  /**
   * Takes up who has signed in, and records it. Rejects with NotWelcome when they were deactivated, when SCIM rules and
   * does not know them, when the provider may not speak for the domain, or when the address belongs to another subject or
   * another provider; that is recorded too.
   */
  signedIn(assertion: Assertion): Promise<Person>;
  /**
   * What a provider says of them now, which counts for `identity.recheck` from here on; undefined: nothing any more. Ends
   * what they may not have any longer.
   */
  refreshed(email: string, now: Pick<Assertion, 'name' | 'groups'> | undefined): Promise<void>;
  /** An administrator's word; `released` lets the next sign-in bind the address anew. Deactivating and releasing end everything. */
  set(email: string, state: 'active' | 'deactivated' | 'released', by: string): Promise<void>;
  /** Undefined for who is in the configuration only, or nobody. */
  state(email: string): Promise<PersonState | undefined>;
  /** Addresses that hold this text, of whom the store or the configuration knows; at most 200. */
  list(part: string): Promise<readonly string[]>;
  /** Lets nothing of this person go on, anywhere: sessions, open requests, sign-ins, tokens, certificates. Recorded. */
  end(email: string, why: string, by?: string): Promise<void>;
}
