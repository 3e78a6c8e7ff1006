import type { Certificates } from '#src/identity/certificates.ts';
import type { Devices } from '#src/identity/devices.ts';
import type { Directory } from '#src/identity/person.ts';
import type { Tokens } from '#src/identity/token.ts';
import type { Grant } from './grant.ts';

/** What the gateway needs to be the authorization server of its own terminals. */
export type OauthDeps = {
  /** The issuer; without a trailing slash. */
  readonly publicUrl: string;
  readonly tokens: Tokens;
  readonly directory: Directory;
  readonly devices: Devices;
  /** Where certificates stand for a password. */
  readonly certificates?: Certificates | undefined;
  /** Where PostgreSQL clients come in. */
  readonly postgres: { readonly host: string; readonly port: number; readonly tls: boolean };
  /** Of the tokens that terminals get, in milliseconds. */
  lifetimeMs(): number;
  /** Further grants by `grant_type`. */
  readonly grants?: ReadonlyMap<string, Grant>;
};
