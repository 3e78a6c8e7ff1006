import { stringify } from 'node:querystring';
import { SAML } from '@node-saml/node-saml';
import type { SamlConfig } from '../../config/identity.ts';
import type { NameId } from './assertion.ts';
import type { Files } from './files.ts';
import { UNSPECIFIED } from './names.ts';

/** Where a provider's messages come to, and our name for it. */
export type Ours = {
  readonly entityId: string;
  readonly acs: string;
  readonly slo: string;
};

/** `publicUrl` has no trailing slash. */
export function oursOf({ name, entityId }: SamlConfig, publicUrl: string): Ours {
  const base = `${publicUrl}/saml/${name}`;
  return { entityId: entityId ?? `${base}/metadata`, acs: `${base}/acs`, slo: `${base}/slo` };
}

/**
 * What we send, which node-saml writes and signs (RSA with SHA-256) when a key is configured. What comes back is read by
 * `readResponse` and `readLogout`: the library takes SHA-1, unsigned logouts and only RSA.
 */
export class Outgoing {
  readonly #config: SamlConfig;
  readonly #ours: Ours;
  readonly #files: Files;

  constructor(config: SamlConfig, ours: Ours, files: Files) {
    this.#config = config;
    this.#ours = ours;
    this.#files = files;
  }

  /** The address that a browser is sent to, for an AuthnRequest of this id. It comes back as RelayState too. */
  signIn(id: string): Promise<string> {
    return this.#saml(id).getAuthorizeUrlAsync(id, undefined, {});
  }

  /** The address for a LogoutRequest of this id; undefined when the provider has none. */
  async signOut(
    id: string,
    { value, format = UNSPECIFIED, nameQualifier, spNameQualifier }: NameId,
    sessionIndex: string | undefined,
  ): Promise<string | undefined> {
    if (this.#config.logoutUrl === undefined) return undefined;
    const url = await this.#saml(id).getLogoutUrlAsync(
      {
        issuer: this.#config.issuer,
        nameID: value,
        nameIDFormat: format,
        ...(nameQualifier !== undefined && { nameQualifier }),
        ...(spNameQualifier !== undefined && { spNameQualifier }),
        ...(sessionIndex !== undefined && { sessionIndex }),
      },
      id,
      {},
    );
    return asSigned(url);
  }

  /** The address for the answer to a LogoutRequest; undefined when the provider has none. */
  async signedOut(id: string, request: string, relayState: string | undefined) {
    if (this.#config.logoutUrl === undefined) return undefined;
    const profile = { ID: request, issuer: '', nameID: '', nameIDFormat: '' };
    // Browsers write an apostrophe in another way than it is signed.
    const state = relayState?.includes("'") ? '' : (relayState ?? '');
    const url = await this.#saml(id).getLogoutResponseUrlAsync(profile, state, {}, true);
    return asSigned(url);
  }

  /** SP metadata (saml-metadata-2.0-os), signed when a key is configured. */
  metadata(): string {
    const certificate = this.#files.own?.certificate ?? null;
    return this.#saml().generateServiceProviderMetadata(certificate, certificate);
  }

  #saml(id?: string): SAML {
    const { own } = this.#files;
    const { issuer, entryPoint, logoutUrl, clockSkewMs } = this.#config;
    return new SAML({
      callbackUrl: this.#ours.acs,
      logoutCallbackUrl: this.#ours.slo,
      entryPoint,
      ...(logoutUrl !== undefined && { logoutUrl }),
      issuer: this.#ours.entityId,
      idpIssuer: issuer,
      // Nothing is read with it.
      idpCert: 'AAAA',
      identifierFormat: null,
      disableRequestedAuthnContext: true,
      acceptedClockSkewMs: clockSkewMs,
      wantAssertionsSigned: true,
      ...(id !== undefined && { generateUniqueId: () => id }),
      ...(own && {
        privateKey: own.pem,
        publicCert: own.certificate,
        decryptionPvk: own.pem,
        signMetadata: true,
        signatureAlgorithm: 'sha256',
        digestAlgorithm: 'sha256',
      }),
    });
  }
}

/** The library signs one way of writing the query and sends another, which differs for a few characters of a RelayState. */
function asSigned(url: string): string {
  const address = new URL(url);
  address.search = stringify(Object.fromEntries(address.searchParams));
  return address.href;
}
