const WINDOW_MS = 60_000;
const ADDRESSES = 10_000;

/**
 * Failed sign-ins per address. It saves the store from floods; guessing a 256-bit token is hopeless anyway, so the
 * limit is generous enough for many people behind one proxy.
 */
export class Failures {
  readonly #limit: number;
  readonly #now: () => number;
  readonly #seen = new Map<string, { count: number; until: number }>();

  constructor(limit = 60, now: () => number = Date.now) {
    this.#limit = limit;
    this.#now = now;
  }

  /** Seconds until this address may try again; 0 when it may now. */
  wait(address: string): number {
    const entry = this.#seen.get(address);
    if (!entry || entry.count < this.#limit) return 0;
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
    // The oldest goes first, so the memory is bounded however many addresses knock.
    if (this.#seen.size > ADDRESSES)
      for (const oldest of this.#seen.keys()) {
        this.#seen.delete(oldest);
        break;
      }
  }
}
