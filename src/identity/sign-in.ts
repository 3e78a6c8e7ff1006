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
};

/** A sign-in, a token or a lookup was refused; the message may be shown to the person. */
export class NotWelcome extends Error {
  override name = 'NotWelcome';
}

/** People as providers have told of them, beside those of the configuration. */
export interface People {
  /**
   * Takes up who has signed in, and records it. Rejects with NotWelcome when they were deactivated, when SCIM rules and
   * does not know them, or when the address belongs to another subject or another provider.
   */
  signedIn(assertion: Assertion): Promise<Person>;
  /** What a provider says of them now; undefined: nothing any more. Ends what they may not have any longer. */
  refreshed(email: string, now: Pick<Assertion, 'name' | 'groups'> | undefined): Promise<void>;
  /** Lets nothing of this person go on, anywhere: sessions, open requests, sign-ins, tokens, certificates. Recorded. */
  end(email: string, why: string): Promise<void>;
}
