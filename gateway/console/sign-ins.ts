import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Scope } from '#src/identity/token.ts';

const IDLE_MS = 30 * 60_000;
const LONGEST_MS = 12 * 3_600_000;
const MOST = 5_000;

export type SignIn = {
  readonly person: string;
  /** Id of the token it was made with; it ends when that token does. */
  readonly token: string;
  readonly scopes: readonly Scope[];
  readonly startedAt: number;
};

/** Who is signed in to the console. In memory: a restart signs everybody out, and no copy of a cookie is stored. */
export class SignIns {
  readonly #secret: Buffer;
  readonly #now: () => number;
  readonly #live = new Map<string, { readonly signIn: SignIn; seenAt: number }>();

  constructor(secret: Buffer, now: () => number = Date.now) {
    this.#secret = secret;
    this.#now = now;
  }

  #keyed(use: 'cookie' | 'form', id: string): Buffer {
    return createHmac('sha256', this.#secret).update(`${use}\0${id}`).digest();
  }

  /** An id that no page has seen before, for a cookie: 256 random bits. */
  newId(): string {
    return randomBytes(32).toString('base64url');
  }

  start(id: string, signIn: Omit<SignIn, 'startedAt'>): void {
    const now = this.#now();
    const entry = { signIn: { ...signIn, startedAt: now }, seenAt: now };
    this.#live.set(this.#keyed('cookie', id).toString('hex'), entry);
    if (this.#live.size > MOST) this.#live.delete(this.#live.keys().next().value ?? '');
  }

  /** `touch` is false for what the page does by itself, so that an abandoned screen is signed out. */
  find(id: string, touch: boolean): SignIn | undefined {
    const key = this.#keyed('cookie', id).toString('hex');
    const entry = this.#live.get(key);
    if (!entry) return undefined;
    const now = this.#now();
    if (now - entry.seenAt > IDLE_MS || now - entry.signIn.startedAt > LONGEST_MS) {
      this.#live.delete(key);
      return undefined;
    }
    if (touch) entry.seenAt = now;
    return entry.signIn;
  }

  end(id: string): void {
    this.#live.delete(this.#keyed('cookie', id).toString('hex'));
  }

  /** What a form must send back; bound to the cookie, so that another site cannot know it. */
  formToken(id: string): string {
    return this.#keyed('form', id).toString('base64url');
  }

  isFormToken(id: string, token: string): boolean {
    const expected = Buffer.from(this.formToken(id));
    const given = Buffer.from(token);
    return expected.length === given.length && timingSafeEqual(expected, given);
  }
}
