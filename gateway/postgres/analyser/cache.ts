const perSpace = 2048;
const spaces = 64;
// Longer texts are rarely sent twice, and would fill the memory.
const longest = 16_384;

type Space<V> = { young: Map<string, V>; old: Map<string, V> };

/** A cache in two generations: look-up, insertion and eviction each take the same short time, however full it is. */
export class StatementCache<V> {
  #young = new Map<string, Space<V>>();
  #old = new Map<string, Space<V>>();

  get(settings: string, text: string): V | undefined {
    const space = this.#young.get(settings) ?? this.#old.get(settings);
    if (!space) return undefined;
    const found = space.young.get(text);
    if (found !== undefined) return found;
    const aged = space.old.get(text);
    if (aged !== undefined) this.#put(space, text, aged);
    return aged;
  }

  set(settings: string, text: string, value: V): void {
    if (text.length > longest) return;
    this.#put(this.#space(settings), text, value);
  }

  delete(settings: string, text: string): void {
    for (const generation of [this.#young, this.#old]) {
      generation.get(settings)?.young.delete(text);
      generation.get(settings)?.old.delete(text);
    }
  }

  clear(): void {
    this.#young = new Map();
    this.#old = new Map();
  }

  #put(space: Space<V>, text: string, value: V): void {
    if (space.young.size >= perSpace / 2) {
      space.old = space.young;
      space.young = new Map();
    }
    space.young.set(text, value);
  }

  #space(settings: string): Space<V> {
    const known = this.#young.get(settings) ?? this.#old.get(settings);
    const space = known ?? { young: new Map<string, V>(), old: new Map<string, V>() };
    if (this.#young.size >= spaces / 2) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(settings, space);
    return space;
  }
}
