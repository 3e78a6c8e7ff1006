/** First in, first out; taking the first costs the same however long it is. */
export class Fifo<T> {
  #items: (T | undefined)[] = [];
  #at = 0;

  get length(): number {
    return this.#items.length - this.#at;
  }
  get first(): T | undefined {
    return this.#items[this.#at];
  }
  push(item: T): void {
    this.#items.push(item);
  }
  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#at];
    this.#items[this.#at] = undefined;
    this.#at += 1;
    if (this.#at * 2 > this.#items.length && this.#at > 32) {
      this.#items = this.#items.slice(this.#at);
      this.#at = 0;
    }
    return item;
  }
  /** Takes everything. */
  drain(): T[] {
    const items = this.#items.slice(this.#at).flatMap((item) => (item === undefined ? [] : [item]));
    this.#items = [];
    this.#at = 0;
    return items;
  }
}
