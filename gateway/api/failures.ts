import { secretHash } from '#src/identity/secret.ts';

const WINDOW_MS = 60_000;
const MOST = 10_000;

/**
 * Failed sign-ins per address. It saves the store from floods; guessing a 256-bit token is hopeless anyway, so the
 * limit is generous enough for many people behind one proxy. A token that was good before is asked about even then:
 * behind a proxy everybody has its address, and a stranger there must not keep approvers from deciding.
 */
export class Failures {
  readonly #limit: number;
  readonly #now: () => number;
  readonly #seen = new Map<string, { count: number; until: number }>();
  /** Hashes of tokens that were good once; whether they still are is asked each time. */
  readonly #good = new Set<string>();

  constructor(limit = 60, now: () => number = Date.now) {
    this.#limit = limit;
    this.#now = now;
  }

  /** Seconds until this address may try this token; 0 when it may now. */
  wait(address: string, token: string): number {
    const entry = this.#seen.get(address);
    if (!entry || entry.count < this.#limit || this.#good.has(keyOf(token))) return 0;
    return Math.max(0, Math.ceil((entry.until - this.#now()) / 1_000));
  }

  add(address: string): void {
    const entry = this.#seen.get(address);
    if (entry && entry.until > this.#now()) {
      entry.count += 1;
      return;
    }
    this.#seen.delete(address);
    this.#seen.set(address, { count: 1, until: this.#now() + WINDOW_MS });
    dropOldest(this.#seen);
  }

  wasGood(token: string): void {
    this.#good.add(keyOf(token));
    dropOldest(this.#good);
  }
}

const keyOf = (token: string): string => secretHash(token).toString('base64');

/** So the memory is bounded however many knock. */
function dropOldest(kept: Map<string, unknown> | Set<string>): void {
  if (kept.size <= MOST) return;
  for (const oldest of kept.keys()) {
    kept.delete(oldest);
    return;
  }
}
