import type { Sql } from '../store/database.ts';

/** connect: a database or SSH password. read: the API's GETs. decide: votes; never works as a password. */
export type Scope = 'connect' | 'read' | 'decide';

export type TokenInfo = {
  readonly id: string;
  readonly person: string;
  /** Acts for the person with it. */
  readonly agent?: string;
  readonly label: string;
  readonly scopes: readonly Scope[];
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly revokedAt?: string;
  readonly lastUsedAt?: string;
};

/** What a SCRAM-SHA-256 exchange (RFC 5802, RFC 7677) needs: one salt a person, one verifier a live token. */
export type ScramSecrets = {
  readonly salt: Buffer;
  readonly iterations: number;
  /** One for each token that is a password. Empty for a stranger, whose salt is then a stable mock. */
  readonly verifiers: readonly {
    readonly token: string;
    readonly agent?: string;
    readonly storedKey: Buffer;
    readonly serverKey: Buffer;
  }[];
};

/** What a token is beside whose it is. */
export type TokenKind = {
  readonly agent?: string;
  /** Id of the token that it was exchanged for: it ends with that one, and never later. */
  readonly parent?: string;
  /** False: it opens connections by OAUTHBEARER alone, and is no password. Default: true. */
  readonly password?: boolean;
  /**
   * What it is made on the word of (a sign-in, a confirmation): locks it in the same transaction, and says false when it
   * has ended meanwhile.
   */
  readonly stands?: (sql: Sql) => Promise<boolean>;
};

export interface Tokens {
  /** The clear token is returned once and never stored. Rejects with NotWelcome when `parent` is not live, or nothing `stands`. */
  issue(
    person: string,
    scopes: readonly Scope[],
    label: string,
    lifetimeMs: number,
    kind?: TokenKind,
  ): Promise<{ readonly token: string; readonly info: TokenInfo }>;
  /**
   * The token that stands for another's (a JWT, without its signature), so that it is listed and can be revoked: made at
   * the first use, the same at each further one. Undefined once it has ended, for good. It is no password.
   */
  standIn(
    other: string,
    person: string,
    label: string,
    lifetimeMs: number,
  ): Promise<TokenInfo | undefined>;
  /** The live token that has this scope, or undefined. Bad checksums are refused without asking the store. */
  check(token: string, scope: Scope): Promise<TokenInfo | undefined>;
  scram(email: string): Promise<ScramSecrets>;
  /** Those that are live first, then newest first; at most 1000. */
  list(person?: string): Promise<readonly TokenInfo[]>;
  /** The live token of this id. */
  find(id: string): Promise<TokenInfo | undefined>;
  /** It has opened something otherwise than by `check`; nobody waits for the time stamp. */
  used(id: string): void;
  /** False when there is no such live token. `by` is who did it, when that is not its own person. */
  revoke(id: string, by?: string): Promise<boolean>;
}
