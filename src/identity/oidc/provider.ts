import { createRemoteJWKSet, customFetch as josefetch, type JWTVerifyGetKey } from 'jose';
import * as client from 'openid-client';
import type { OidcConfig } from '../../config/identity.ts';
import { providerFetch, type Fetch } from './http.ts';

/** The provider does not answer, or not as OpenID Connect says: nobody can sign in by it now. */
export class ProviderAway extends Error {
  override name = 'ProviderAway';
}

/** Metadata is asked for again after this time; what was known is used on while the provider does not answer. */
const FRESH_MS = 60 * 60_000;
const USABLE_MS = 24 * 60 * 60_000;
/** A provider that is away is not asked more often than this. */
const AGAIN_MS = 2_000;
/** An unknown `kid` makes us look for new keys, but strangers can send any: not more often than this. */
const KEYS_AGAIN_MS = 5_000;
const KEYS_FRESH_MS = 10 * 60_000;

type Known = {
  readonly metadata: client.ServerMetadata;
  readonly keys: JWTVerifyGetKey;
  readonly fetch: Fetch;
  readonly at: number;
};

/** One OpenID provider: what it says of itself, its keys, and our client there. Nothing is asked before it is needed. */
export class OidcProvider {
  readonly #config: () => OidcConfig;
  readonly #now: () => number;
  #known: Known | undefined;
  #asking: Promise<Known> | undefined;
  #failed: { readonly at: number; readonly error: ProviderAway } | undefined;

  /** What may change while we run (the embedded provider's domains) is asked for at each use. */
  constructor(config: OidcConfig | (() => OidcConfig), now: () => number = Date.now) {
    this.#config = typeof config === 'function' ? config : () => config;
    this.#now = now;
  }

  get config(): OidcConfig {
    return this.#config();
  }

  /** Its metadata (OpenID Connect Discovery 1.0). Rejects with ProviderAway. */
  async metadata(): Promise<client.ServerMetadata> {
    return (await this.#know()).metadata;
  }

  /** Finds the key of a JWT in its key set; looks again, in bounds, for one that it does not know. */
  keys: JWTVerifyGetKey = async (header, token) => (await this.#know()).keys(header, token);

  /** Our client there, with the secret as it is now. */
  async client(): Promise<client.Configuration> {
    const { metadata, fetch } = await this.#know();
    const { clientId, clockSkewMs } = this.config;
    const auth = await this.#auth(metadata);
    const made = new client.Configuration(
      metadata,
      clientId,
      { [client.clockTolerance]: Math.ceil(clockSkewMs / 1_000) },
      auth,
    );
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same fetch, typed by the library in its own words
    made[client.customFetch] = fetch as client.CustomFetch;
    if (this.#inTheClear) client.allowInsecureRequests(made);
    return made;
  }

  /** The configuration lets http in on this machine only. */
  get #inTheClear(): boolean {
    return this.config.issuer.startsWith('http:');
  }

  async #auth(metadata: client.ServerMetadata): Promise<client.ClientAuth> {
    const secret = await this.config.clientSecret?.();
    if (secret === undefined) return client.None();
    const methods = metadata.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
    if (methods.includes('client_secret_basic')) return client.ClientSecretBasic(secret);
    if (methods.includes('client_secret_post')) return client.ClientSecretPost(secret);
    throw new ProviderAway(
      `${this.config.label} takes no client secret (it knows ${methods.join(', ')}): register a public client, and leave clientSecret out`,
    );
  }

  async #know(): Promise<Known> {
    const known = this.#known;
    const age = known ? this.#now() - known.at : Infinity;
    if (known && age < FRESH_MS) return known;
    try {
      return await this.#ask();
    } catch (error) {
      if (known && age < USABLE_MS) return known;
      throw error;
    }
  }

  #ask(): Promise<Known> {
    if (this.#failed && this.#now() - this.#failed.at < AGAIN_MS)
      return Promise.reject(this.#failed.error);
    this.#asking ??= this.#discover()
      .then((known) => {
        this.#known = known;
        this.#failed = undefined;
        return known;
      })
      .catch((cause: unknown) => {
        const error =
          cause instanceof ProviderAway
            ? cause
            : new ProviderAway(
                `${this.config.label} does not answer at ${this.config.issuer}: try again; the operator can see why in the log`,
                { cause },
              );
        this.#failed = { at: this.#now(), error };
        throw error;
      })
      .finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  async #discover(): Promise<Known> {
    const { issuer, clientId, ca } = this.config;
    const fetch = await providerFetch(ca);
    const found = await client.discovery(new URL(issuer), clientId, undefined, client.None(), {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as above
      [client.customFetch]: fetch as client.CustomFetch,
      timeout: 10,
      execute: this.#inTheClear ? [client.allowInsecureRequests] : [],
    });
    const metadata = found.serverMetadata();
    // The library is lenient with some providers, whose tokens could then be of any tenant.
    if (metadata.issuer !== issuer)
      throw new ProviderAway(
        `${this.config.label} calls itself ${metadata.issuer}, not ${issuer}: correct issuer in the configuration`,
      );
    return { metadata, keys: this.#keySet(metadata, fetch), fetch, at: this.#now() };
  }

  #keySet({ jwks_uri: address }: client.ServerMetadata, fetch: Fetch): JWTVerifyGetKey {
    if (address === undefined || (!this.#inTheClear && !address.startsWith('https:')))
      throw new ProviderAway(`${this.config.label} names no https address of its keys`);
    return createRemoteJWKSet(new URL(address), {
      [josefetch]: fetch,
      cooldownDuration: KEYS_AGAIN_MS,
      cacheMaxAge: KEYS_FRESH_MS,
      timeoutDuration: 5_000,
    });
  }
}
