/** connect: a database or SSH password. read: the API's GETs. decide: votes; never works as a password. */
export type Scope = 'connect' | 'read' | 'decide';

export type TokenInfo = {
  readonly id: string;
  readonly person: string;
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
  /** Empty for a stranger, whose salt is then a stable mock. */
  readonly verifiers: readonly {
    readonly token: string;
    readonly storedKey: Buffer;
    readonly serverKey: Buffer;
  }[];
};

export interface Tokens {
  /** The clear token is returned once and never stored. */
  issue(
    person: string,
    scopes: readonly Scope[],
    label: string,
    lifetimeMs: number,
  ): Promise<{ readonly token: string; readonly info: TokenInfo }>;
  /** The live token that has this scope, or undefined. Bad checksums are refused without asking the store. */
  check(token: string, scope: Scope): Promise<TokenInfo | undefined>;
  scram(email: string): Promise<ScramSecrets>;
  list(person?: string): Promise<readonly TokenInfo[]>;
  /** False when there is no such live token. */
  revoke(id: string): Promise<boolean>;
}
