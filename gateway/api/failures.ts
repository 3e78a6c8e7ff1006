const WINDOW_MS = 60_000;
const LONGEST_MS = 3_600_000;
/** As long without a failure, and what was before is forgotten. */
const FORGOTTEN_MS = 3_600_000;
const MOST = 10_000;

type Entry = {
  count: number;
  /** How often the limit was reached. */
  level: number;
  until: number;
};

/**
 * Failed sign-ins per address: after `limit` of them within a minute, the next ones are told to wait a minute, then two,
 * four, up to an hour. What is right opens all the same: guessing 256 bits is hopeless anyway, behind a proxy everybody
 * has its address, and a stranger there must keep nobody from working.
 */
export class Failures {
  readonly #limit: number;
  readonly #now: () => number;
  readonly #seen = new Map<string, Entry>();

  constructor(limit = 60, now: () => number = Date.now) {
    this.#limit = limit;
    this.#now = now;
  }

  /** Seconds that whoever fails now at this address should wait; 0 when it may try on. */
  wait(address: string): number {
    const entry = this.#seen.get(address);
    if (!entry || entry.count < this.#limit) return 0;
    return Math.max(0, Math.ceil((entry.until - this.#now()) / 1_000));
  }

  add(address: string): void {
    const now = this.#now();
    const before = this.#seen.get(address);
    const entry =
      before && before.until > now
        ? before
        : { count: 0, level: levelNow(before, now), until: now + WINDOW_MS };
    entry.count += 1;
    if (entry.count === this.#limit) {
      entry.until = now + Math.min(LONGEST_MS, WINDOW_MS * 2 ** entry.level);
      entry.level += 1;
    }
    // The newest at the end, so that the oldest is dropped first.
    this.#seen.delete(address);
    this.#seen.set(address, entry);
    dropOldest(this.#seen);
  }
}

const levelNow = (before: Entry | undefined, now: number): number =>
  before && now - before.until < FORGOTTEN_MS ? before.level : 0;

/** So the memory is bounded however many knock. */
function dropOldest(kept: Map<string, unknown>): void {
  if (kept.size <= MOST) return;
  for (const oldest of kept.keys()) {
    kept.delete(oldest);
    return;
  }
}
