/** What is kept for a while, the newest at most. */
export class Kept<T> {
  readonly #entries = new Map<string, { readonly value: T; readonly until: number }>();
  readonly #forMs: number;
  readonly #most: number;
  readonly #now: () => number;

  /** `now` gives milliseconds that only rise. */
  constructor(forMs: number, { most, now }: { readonly most: number; readonly now: () => number }) {
    this.#forMs = forMs;
    this.#most = most;
    this.#now = now;
  }

  get(key: string): T | undefined {
    const entry = this.#entries.get(key);
    return entry && entry.until > this.#now() ? entry.value : undefined;
  }

  set(key: string, value: T): void {
    // Anew, so that the first one is the oldest.
    this.#entries.delete(key);
    this.#entries.set(key, { value, until: this.#now() + this.#forMs });
    if (this.#entries.size <= this.#most) return;
    const [oldest = ''] = this.#entries.keys();
    this.#entries.delete(oldest);
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  keys(): readonly string[] {
    return [...this.#entries.keys()];
  }
}
