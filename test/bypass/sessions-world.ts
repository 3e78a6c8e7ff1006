import { NO_PROVIDERS, type IdentityConfig } from '#src/config/identity.ts';
import type { Scope } from '#src/identity/token.ts';
import { signedIn, type Browser } from '../fakes/browser.ts';
import { startGateway, type TestGateway } from '../fakes/gateway.ts';
import { startIssuer, type FakeIssuer } from '../fakes/issuer.ts';
import { Visitor } from '../fakes/visitor.ts';

export const HOUR = 3_600_000;

type Answer = Awaited<ReturnType<Visitor['get']>>;

/** The whole product with one provider, `acme`, and a machine in powerful groups. */
export class World {
  gateway!: TestGateway;
  acme!: FakeIssuer;
  #usual: FakeIssuer['person'] = {};

  async open(more: Partial<IdentityConfig> = {}): Promise<void> {
    this.acme = await startIssuer();
    this.#usual = this.acme.person;
    const identity: IdentityConfig = {
      ...NO_PROVIDERS,
      providers: new Map([['acme', this.acme.config]]),
      machines: new Map([
        [
          'deploy@example.com',
          {
            name: 'Deploy',
            groups: ['dba', 'security', 'engineering'],
            issuer: this.acme.url,
            audience: 'countersign',
            claims: new Map([['sub', ['deploy']]]),
          },
        ],
      ]),
      ...more,
    };
    this.gateway = await startGateway({ config: { identity } });
  }

  async close(): Promise<void> {
    await this.gateway?.stop();
    await this.acme?.stop();
  }

  get at(): string {
    return this.gateway.running.console;
  }

  /** Signed in with a token that reads and decides. */
  async by(who: string): Promise<Browser> {
    return signedIn(this.at, await this.gateway.token(who, 'decide'));
  }

  issue(who: string, scopes: readonly Scope[]) {
    return this.gateway.running.tokens.issue(`${who}@example.com`, scopes, 'test', HOUR);
  }

  /** Signs in through the provider; the visitor that holds the cookie, and the last answer. */
  async through(
    person: FakeIssuer['person'],
    next = '/',
  ): Promise<{ readonly visitor: Visitor; readonly answer: Answer }> {
    this.acme.person = { ...this.#usual, ...person };
    const visitor = new Visitor(this.at);
    const begun = await visitor.get(`/sign-in/acme?next=${encodeURIComponent(next)}`);
    const answer = await visitor.back(this.acme.authorize(new URL(begun.location)));
    return { visitor, answer };
  }

  /** Somebody else with this cookie. */
  jar(cookie: string): Visitor {
    return Object.assign(new Visitor(this.at), { cookie });
  }

  /** A form that came from a page of this console. */
  send(
    visitor: Visitor,
    path: string,
    form: Readonly<Record<string, string>>,
    headers: Readonly<Record<string, string>> = { 'sec-fetch-site': 'same-origin' },
  ): Promise<Answer> {
    const body = new URLSearchParams(form);
    return visitor.get(path, { method: 'POST', headers: { origin: this.at, ...headers }, body });
  }
}

/** As the provider tells of a person whom no configuration knows. */
export const someone = (who: string) => ({
  sub: `subject of ${who}`,
  email: `${who}@example.com`,
  name: who,
  groups: ['engineering'],
});

export const formOf = (text: string): string =>
  /name="csrf" value="([^"]+)"/u.exec(text)?.[1] ?? '';
