// A generation; there are two. An analysis takes 15 kB and more, and much more than its text.
const entries = 1024;
const characters = 1 << 19;
// Longer texts are rarely sent twice, and would fill the memory.
const longest = 16_384;

/** By settings and then by text, so that no long key is put together for a look-up. */
type Generation<V> = Map<string, Map<string, V>>;

/** A cache in two generations: look-up, insertion and eviction each take the same short time, however full it is. */
export class StatementCache<V> {
  #young: Generation<V> = new Map();
  #old: Generation<V> = new Map();
  #entries = 0;
  #characters = 0;

  get(settings: string, text: string): V | undefined {
    const found = this.#young.get(settings)?.get(text);
    if (found !== undefined) return found;
    const aged = this.#old.get(settings)?.get(text);
    if (aged !== undefined) this.set(settings, text, aged);
    return aged;
  }

  set(settings: string, text: string, value: V): void {
    if (text.length > longest) return;
    if (this.#entries >= entries || this.#characters >= characters) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#entries = this.#characters = 0;
    }
    let space = this.#young.get(settings);
    if (!space) this.#young.set(settings, (space = new Map<string, V>()));
    space.set(text, value);
    this.#entries += 1;
    this.#characters += text.length;
  }

  clear(): void {
    this.#young = new Map();
    this.#old = new Map();
    this.#entries = this.#characters = 0;
  }
}
