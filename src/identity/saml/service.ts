import type { SamlConfig } from '../../config/identity.ts';
import { fromBase64 } from './algorithms.ts';
import { readAssertion, type NameId } from './assertion.ts';
import { assertionOf } from './claims.ts';
import { type Files, readFiles } from './files.ts';
import { type Logout, readLogoutPost, readLogoutRedirect, textIn } from './logout.ts';
import { oursOf, Outgoing, type Ours } from './provider.ts';
import { refuse } from './refuse.ts';
import { readResponse, type Trust } from './response.ts';
import { newId, type SamlStore } from './store.ts';

/** A logout message, by the binding that it came with. `query` is what follows the question mark. */
export type Incoming =
  | { readonly binding: 'redirect'; readonly query: string }
  | { readonly binding: 'post'; readonly message: string };

/** What a logout message of the provider leads to here. */
export type Heard =
  | { readonly kind: 'ended'; readonly signIns: readonly string[]; readonly reply?: string }
  | { readonly kind: 'told'; readonly done: boolean };

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
  async begin(browser: Buffer, next: string, fresh = false): Promise<string> {
    const outgoing = await this.#outgoing();
    return outgoing.signIn(await this.#store.begin(this.#config.name, browser, next), fresh);
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
      assertion: { ...person, idToken: JSON.stringify(said.nameId) },
    });
  }

  /** Reads a logout message and says which sign-ins end by it. Rejects with NotWelcome. */
  async hear(incoming: Incoming, relayState: string | undefined): Promise<Heard> {
    const files = await readFiles(this.#config);
    const trust = trustOf(this.#config, files, this.#now());
    const logout = readIncoming(incoming, this.#ours.slo, trust);
    if (logout.kind === 'response') return { kind: 'told', done: logout.done };
    const { name } = this.#config;
    await this.#store.useOnce(name, logout.id, logout.until);
    const sessions = logout.sessions.length > 0 ? logout.sessions : [undefined];
    const ended = await Promise.all(
      sessions.map((sid) => this.#store.signInsOf(name, logout.nameId.value, sid)),
    );
    const outgoing = new Outgoing(this.#config, this.#ours, files);
    const reply = await outgoing.signedOut(newId(), logout.id, relayState);
    return { kind: 'ended', signIns: ended.flat(), ...(reply !== undefined && { reply }) };
  }

  /** Where to go to be signed out at the provider too; undefined when it has no such place. */
  async signOut(nameId: NameId, sessionIndex: string | undefined): Promise<string | undefined> {
    return (await this.#outgoing()).signOut(newId(), nameId, sessionIndex);
  }

  async #outgoing(): Promise<Outgoing> {
    return new Outgoing(this.#config, this.#ours, await readFiles(this.#config));
  }
}

function readIncoming(incoming: Incoming, address: string, trust: Trust): Logout {
  return incoming.binding === 'post'
    ? readLogoutPost(incoming.message, address, trust)
    : readLogoutRedirect(incoming.query, address, trust);
}

function trustOf({ issuer, clockSkewMs }: SamlConfig, { keys, own }: Files, now: number): Trust {
  return { issuer, keys, ownKey: own?.key, clock: { now, skewMs: clockSkewMs } };
}
