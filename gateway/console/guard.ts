import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Caller } from '../api/authenticate.ts';
import type { HttpDeps } from '../api/deps.ts';
import { Problem } from '../api/problem.ts';
import type { SignIns } from './sign-ins.ts';

/** Sent by the page's own script with what it does by itself. */
export const BY_ITSELF = 'x-countersign-live';

const ID = /^[\w-]{43}$/u;

/** The console's cookie and everything that has to hold before a request of it is believed. */
export class Guard {
  readonly #deps: HttpDeps;
  readonly #signIns: SignIns;
  readonly #secure: boolean;
  readonly cookieName: string;

  constructor(deps: HttpDeps, signIns: SignIns) {
    this.#deps = deps;
    this.#signIns = signIns;
    this.#secure = deps.publicUrl.startsWith('https:');
    this.cookieName = this.#secure ? '__Host-countersign' : 'countersign';
  }

  cookieOf(request: FastifyRequest): string | undefined {
    const id = request.cookies[this.cookieName];
    // Two of one name: the other was put there by a neighbour (another port, a sibling domain), and which is which cannot be seen.
    const named = (request.headers.cookie ?? '')
      .split(';')
      .filter((each) => each.trim().startsWith(`${this.cookieName}=`));
    if (named.length > 1) return undefined;
    return id !== undefined && ID.test(id) ? id : undefined;
  }

  /** Lax, not Strict: links in chat must arrive signed in. No GET changes anything, and every POST has a form token. */
  setCookie(reply: FastifyReply, id: string): void {
    reply.setCookie(this.cookieName, id, {
      httpOnly: true,
      sameSite: 'lax',
      secure: this.#secure,
      path: '/',
    });
  }

  /** Who is signed in, as the store and the directory know them now. */
  async signedIn(request: FastifyRequest): Promise<Caller | undefined> {
    const id = this.cookieOf(request);
    const byHand = request.headers[BY_ITSELF] === undefined;
    const signIn = id === undefined ? undefined : await this.#signIns.find(id, byHand);
    // Whoever is not known any more, or whose provider must say it again, is led to the sign-in.
    const person = signIn && (await this.#deps.directory.find(signIn.person));
    return person && { person, scopes: signIn.scopes, signIn };
  }

  /** For the API: the cookie speaks for a person; whatever changes something must also carry the form token as `x-csrf-token`. */
  async cookieCaller(request: FastifyRequest): Promise<Caller | undefined> {
    const caller = await this.signedIn(request);
    if (caller && request.method !== 'GET' && request.method !== 'HEAD')
      this.demandOwnForm(request, String(request.headers['x-csrf-token'] ?? ''));
    return caller;
  }

  /** Throws the 403 for a change that did not come from a page of ours. */
  demandOwnForm(request: FastifyRequest, formToken: string): void {
    const id = this.cookieOf(request);
    const own =
      this.fromOwnPage(request) && id !== undefined && this.#signIns.isFormToken(id, formToken);
    if (!own)
      throw new Problem(
        403,
        'foreign-form',
        'This form did not come from this console, or it is too old. Open the page again and repeat.',
      );
  }

  /** True when the browser says that a page of ours has sent this. */
  fromOwnPage(request: FastifyRequest): boolean {
    const site = request.headers['sec-fetch-site'];
    return (site === undefined || site === 'same-origin') && this.#isOwnOrigin(request);
  }

  #isOwnOrigin(request: FastifyRequest): boolean {
    const { origin, host } = request.headers;
    if (origin === undefined) return false;
    if (origin === new URL(this.#deps.publicUrl).origin) return true;
    // Reached by another name of the same address (localhost); a foreign page cannot choose our Host header.
    return host !== undefined && origin === `http${this.#secure ? 's' : ''}://${host}`;
  }
}

const OWN_PAGE =
  /^\/(?:access|records|views|sessions|verify|account|device|connect\/[A-Z-]{14}|chat\/link\/[\w-]{43}|people(?:\/[\w.%+-]{3,300})?|(?:requests|grants|records|sessions|views)\/[0-9a-f-]{36}|sessions\/[0-9a-f-]{36}\/(?:sign-in|terminal))?$/u;

/** Where to go after the sign-in: one of our own pages, or the inbox. Never another site. */
export function nextPage(next: string): string {
  if (!URL.canParse(next, 'http://own.invalid')) return '/';
  const url = new URL(next, 'http://own.invalid');
  if (url.origin !== 'http://own.invalid' || !OWN_PAGE.test(url.pathname)) return '/';
  return url.pathname + url.search;
}
