/**
 * A bounded map with O(1) eviction: reads promote into the young generation, and when that is full the old one goes.
 * (A `Map` used as an LRU scans its holes at every eviction.)
 */
export class TwoGenerations<K, V> {
  #young = new Map<K, V>();
  #old = new Map<K, V>();
  readonly #half: number;

  /** At most `max` entries, rounded down to an even number. */
  constructor(max: number) {
    this.#half = Math.max(1, max >> 1);
  }

  get(key: K): V | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  set(key: K, value: V): void {
    this.#young.set(key, value);
    if (this.#young.size < this.#half) return;
    this.#old = this.#young;
    this.#young = new Map();
  }
}
