import assert from 'node:assert/strict';
import { NO_PROVIDERS, type IdentityConfig } from '#src/config/identity.ts';
import { eventually, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { startIssuer, type FakeIssuer } from '../fakes/issuer.ts';
import { Visitor } from '../fakes/visitor.ts';

const permit = (id: string, notes: string, column: string): string =>
  `@id("${id}") ${notes} permit (principal in Group::"engineering", action == Action::"reveal", resource == Column::"shop/public/customers/${column}");\n`;
export const RULES = `
@id("work") permit (principal in Group::"engineering", action in [Action::"connect", Action::"read", Action::"write", Action::"filter", Action::"assign"], resource in Target::"shop");
${permit('sees-id', '', 'id')}${permit('sees-city', '', 'city')}${permit('sees-name', '', 'name')}
${permit('sees-email', '@stepup("10m")', 'email')}
${permit('sees-phone', '@stepup("3s")', 'phone')}
${permit('sees-ssn', '@stepup("10m") @amr("hwk")', 'ssn')}
${permit('sees-card', '@stepup("10m") @acr("phr")', 'card')}
@id("cities-are-approved") @hold("dba") forbid (principal, action == Action::"assign", resource == Column::"shop/public/customers/city");
`;
export const EMAIL = 'select email from customers where id = 1';
export const SHOWN = 'person1@example.org';
export const ENGINEER = {
  sub: 'subject-1',
  email: 'engineer@example.com',
  email_verified: true,
  name: 'Engineer',
  groups: ['engineering'],
};

/** A connection through the gateway, and the id of its session. */
export type Open = {
  readonly client: Awaited<ReturnType<TestGateway['open']>>;
  readonly session: string;
};

/** A gateway whose rules show columns behind a fresh sign-in, and the provider where people make it. */
export class RevealWorld {
  readonly gateway: TestGateway;
  readonly issuer: FakeIssuer;

  private constructor(gateway: TestGateway, issuer: FakeIssuer) {
    this.gateway = gateway;
    this.issuer = issuer;
  }

  static async start(): Promise<RevealWorld> {
    const issuer = await startIssuer();
    const identity: IdentityConfig = {
      ...NO_PROVIDERS,
      providers: new Map([['acme', issuer.config]]),
    };
    const gateway = await startGateway({ onlyRules: RULES, config: { identity } });
    return new RevealWorld(gateway, issuer);
  }

  /** The provider tells the truth again. */
  honest(): void {
    this.issuer.person = ENGINEER;
    this.issuer.idToken = (claims) => claims;
  }

  async stop(): Promise<void> {
    await this.gateway.stop();
    await this.issuer.stop();
  }

  visit(): Visitor {
    return new Visitor(this.gateway.running.console);
  }

  async signedIn(person: object = ENGINEER): Promise<Visitor> {
    this.issuer.person = { ...person };
    const browser = this.visit();
    const { location } = await browser.get('/sign-in/acme');
    await browser.back(this.issuer.authorize(new URL(location)));
    return browser;
  }
  /** The page's form, sent; where it leads. */
  async ask(browser: Visitor, session: string, query = '') {
    const page = await browser.get(`/sessions/${session}/sign-in${query}`);
    const csrf = /action="\/sessions[^>]*>\s*<input type="hidden" name="csrf" value="([^"]+)"/u;
    const answer = await fetch(
      new URL(`/sessions/${session}/sign-in${query}`, this.gateway.running.console),
      {
        method: 'POST',
        redirect: 'manual',
        headers: {
          cookie: browser.cookie,
          origin: this.gateway.running.console,
          'sec-fetch-site': 'same-origin',
        },
        body: new URLSearchParams({ csrf: csrf.exec(page.text)?.[1] ?? '' }),
      },
    );
    const refresh = /url=(.*)$/u.exec(answer.headers.get('refresh') ?? '')?.[1];
    return {
      page,
      status: answer.status,
      url: refresh === undefined ? undefined : new URL(refresh),
    };
  }
  /** From the page to the provider and back. */
  async signInFor(browser: Visitor, session: string, change?: (back: URL) => void) {
    const { url } = await this.ask(browser, session);
    assert.ok(url, 'no way to the provider');
    return browser.back(this.issuer.authorize(url, change));
  }
  async open(who = 'engineer'): Promise<Open> {
    const client = await this.gateway.open(who);
    const { rows } = await this.gateway.storeSql.query(
      `select id from countersign.session where person = $1 and ended_at is null order by started_at desc limit 1`,
      [`${who}@example.com`],
    );
    return { client, session: String(rows[0].id) };
  }
  async value({ client }: Open, sql = EMAIL): Promise<unknown> {
    return Object.values((await client.query(sql)).rows[0])[0];
  }
  /** What was asked in the last second is believed for that long. */
  shows(one: Open, sql?: string): Promise<unknown> {
    return eventually('the value', async () => (await this.value(one, sql)) ?? undefined);
  }
  hides(one: Open, sql?: string): Promise<unknown> {
    return eventually('the mask', async () => (await this.value(one, sql)) === null);
  }
}
