import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { NewSignIn, SignIn, SignInStore } from '#src/identity/sign-ins.ts';

/** The console's cookies: which sign-in one stands for, and what a form of its browser must send back. */
export class SignIns {
  readonly #secret: Buffer;
  readonly #store: SignInStore;

  constructor(secret: Buffer, store: SignInStore) {
    this.#secret = secret;
    this.#store = store;
  }

  #keyed(use: 'cookie' | 'form', id: string): Buffer {
    return createHmac('sha256', this.#secret).update(`${use}\0${id}`).digest();
  }

  /** An id that no page has seen before, for a cookie: 256 random bits. */
  newId(): string {
    return randomBytes(32).toString('base64url');
  }

  /** Signs in the browser that will have this cookie. */
  start(id: string, signIn: NewSignIn): Promise<SignIn> {
    return this.#store.start(this.#keyed('cookie', id), signIn);
  }

  /** `touch` is false for what the page does by itself, so that an abandoned screen is signed out. */
  find(id: string, touch: boolean): Promise<SignIn | undefined> {
    return this.#store.find(this.#keyed('cookie', id), touch);
  }

  /** The sign-in that was ended; undefined when there was none. */
  async end(id: string, why: string): Promise<SignIn | undefined> {
    const found = await this.find(id, false);
    return found && (await this.#store.revoke(found.id, why)) ? found : undefined;
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
