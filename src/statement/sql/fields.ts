/** The names of a node's fields, in their order. Nodes of one kind share it, so that each holds its values alone. */
export class Shape {
  readonly names: readonly string[];
  /** The name that followed the last time, and the shape with it. */
  lastName = '';
  #last: Shape | undefined;
  #next: Map<string, Shape> | undefined;
  #places: Map<string, number> | undefined;

  constructor(names: readonly string[]) {
    this.names = names;
  }

  with(name: string): Shape {
    if (this.#last && this.lastName === name) return this.#last;
    this.#next ??= new Map();
    let shape = this.#next.get(name);
    if (!shape) this.#next.set(name, (shape = new Shape([...this.names, name])));
    this.lastName = name;
    this.#last = shape;
    return shape;
  }

  /** Where the value of a name stands; of two with the same name the last one counts. */
  place(name: string): number | undefined {
    this.#places ??= new Map(this.names.map((one, index) => [one, index]));
    return this.#places.get(name);
  }
}

/** The fields of a node, as a map: a real one takes five times the memory, and a tree has a hundred thousand of them. */
export class Fields<Value> implements ReadonlyMap<string, Value> {
  readonly #shape: Shape;
  readonly #values: readonly Value[];
  constructor(shape: Shape, values: readonly Value[]) {
    this.#shape = shape;
    this.#values = values;
  }

  get size(): number {
    return this.#values.length;
  }
  get(name: string): Value | undefined {
    const place = this.#shape.place(name);
    return place === undefined ? undefined : this.#values[place];
  }
  has(name: string): boolean {
    return this.#shape.place(name) !== undefined;
  }
  keys(): MapIterator<string> {
    return this.#shape.names.values();
  }
  values(): MapIterator<Value> {
    return this.#values.values();
  }
  *entries(): MapIterator<[string, Value]> {
    const names = this.#shape.names.values();
    for (const value of this.#values) yield [names.next().value ?? '', value];
  }
  [Symbol.iterator](): MapIterator<[string, Value]> {
    return this.entries();
  }
  forEach(each: (value: Value, name: string, map: ReadonlyMap<string, Value>) => void): void {
    for (const [name, value] of this) each(value, name, this);
  }
}
