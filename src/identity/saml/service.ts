import { z } from 'zod';
import type { SamlConfig } from '../../config/identity.ts';
import { fromBase64 } from './algorithms.ts';
import { readAssertion } from './assertion.ts';
import { assertionOf } from './claims.ts';
import { type Files, readFiles } from './files.ts';
import { type Logout, readLogoutPost, readLogoutRedirect, textIn } from './logout.ts';
import { oursOf, Outgoing, type Ours } from './provider.ts';
import { refuse } from './refuse.ts';
import { readResponse, type Trust } from './response.ts';
import { newId, type SamlStore } from './store.ts';

/** A logout request, by the binding that it came with. `query` is what follows the question mark. */
export type Incoming =
  | { readonly binding: 'redirect'; readonly query: string }
  | { readonly binding: 'post'; readonly message: string };

/** Everything that is said between one provider and us, in both directions. Its files are read anew each time. */
export class SamlService {
  readonly #config: SamlConfig;
  readonly #ours: Ours;
  readonly #store: SamlStore;
  readonly #now: () => number;

  constructor(
    config: SamlConfig,
    publicUrl: string,
    store: SamlStore,
    now: () => number = Date.now,
  ) {
    this.#config = config;
    this.#ours = oursOf(config, publicUrl);
    this.#store = store;
    this.#now = now;
  }

  async metadata(): Promise<string> {
    return (await this.#outgoing()).metadata();
  }

  /** Opens a sign-in for the browser that `browser` stands for. Resolves to the provider's address to send it to. */
  async begin(browser: Buffer, next: string): Promise<string> {
    const outgoing = await this.#outgoing();
    return outgoing.signIn(await this.#store.begin(this.#config.name, browser, next));
  }

  /** Takes what was posted to us. Resolves to the ticket that the browser finishes with; rejects with NotWelcome. */
  async take(message: string, relayState: string | undefined): Promise<string> {
    const trust = trustOf(this.#config, await readFiles(this.#config), this.#now());
    const xml = textIn(fromBase64(message));
    const { assertion, request } = readResponse(xml, this.#ours.acs, trust);
    if (request === undefined && !this.#config.idpInitiated)
      refuse('nobody asked for it here; begin on the page of Countersign');
    if (request !== undefined && (relayState ?? request) !== request)
      refuse('its RelayState is of another sign-in');
    const said = readAssertion(assertion, {
      issuer: this.#config.issuer,
      audience: this.#ours.entityId,
      recipient: this.#ours.acs,
      request,
      clock: trust.clock,
    });
    const { id, until } = said;
    const person = assertionOf(this.#config, said);
    return this.#store.take({
      provider: this.#config.name,
      request,
      id,
      until,
      // For the sign-out, the provider wants the NameID back as it was.
      assertion: { ...person, idToken: JSON.stringify(said.nameId) },
    });
  }

  /**
   * Reads a logout request and has `end` end what the person has here. Resolves to where the browser goes to tell the
   * provider; undefined when it has no such place. Rejects with NotWelcome.
   */
  async hear(
    incoming: Incoming,
    relayState: string | undefined,
    end: (email: string) => Promise<void>,
  ): Promise<string | undefined> {
    const files = await readFiles(this.#config);
    const trust = trustOf(this.#config, files, this.#now());
    const logout =
      incoming.binding === 'post'
        ? readLogoutPost(incoming.message, this.#ours.slo, trust)
        : readLogoutRedirect(incoming.query, this.#ours.slo, trust);
    await this.#end(logout, end);
    const outgoing = new Outgoing(this.#config, this.#ours, files);
    return outgoing.signedOut(newId(), logout.id, relayState);
  }

  async #end(
    { id, issued, until, nameId, sessions }: Logout,
    end: (email: string) => Promise<void>,
  ): Promise<void> {
    const { name } = this.#config;
    await this.#store.useOnce(name, id, until);
    try {
      await this.#store.sessionsEnded(name, nameId.value, sessions, issued);
      const person = await this.#store.whoSignedIn(name, nameId.value, sessions);
      if (person !== undefined) await end(person);
    } catch (error) {
      // The provider will say it again, and must not find it used up.
      await this.#store.forget(name, id);
      throw error;
    }
  }

  /**
   * Where to go to be signed out at the provider too; undefined when it has no such place. `kept` is the idToken of the
   * sign-in.
   */
  async signOut(kept: string, sessionIndex: string | undefined): Promise<string | undefined> {
    const nameId = NAME_ID.parse(JSON.parse(kept));
    return (await this.#outgoing()).signOut(newId(), nameId, sessionIndex);
  }

  async #outgoing(): Promise<Outgoing> {
    return new Outgoing(this.#config, this.#ours, await readFiles(this.#config));
  }
}

function trustOf({ issuer, clockSkewMs }: SamlConfig, { keys, own }: Files, now: number): Trust {
  return { issuer, keys, ownKey: own?.key, clock: { now, skewMs: clockSkewMs } };
}

const NAME_ID = z.strictObject({
  value: z.string(),
  format: z.string().exactOptional(),
  nameQualifier: z.string().exactOptional(),
  spNameQualifier: z.string().exactOptional(),
});
