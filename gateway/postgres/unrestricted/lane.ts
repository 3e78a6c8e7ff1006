/** Messages and bytes that may wait; then the client is not read. */
const MOST = 1_024;
const MOST_BYTES = 1024 * 1024;

/** Keeps messages in their order while some of them wait for a record, so that several can wait at the same time. */
export class Lane {
  readonly #failed: (error: unknown) => void;
  #tail: Promise<void> | undefined;
  #behind = 0;
  #bytes = 0;
  #broken = false;

  /** `failed` is called once, with what a step threw; no later step is taken then. */
  constructor(failed: (error: unknown) => void) {
    this.#failed = failed;
  }

  get empty(): boolean {
    return this.#behind === 0;
  }

  /** Resolves when all that was added has gone. */
  get gone(): Promise<void> | undefined {
    return this.#tail;
  }

  /** Takes the step now, or behind what waits. A promise when too much does. */
  add(bytes: number, step: () => void): Promise<void> | void {
    return this.empty ? step() : this.after(Promise.resolve(), bytes, step);
  }

  /** Takes the step once `ready` has resolved and all that was added before has gone. */
  after<T>(ready: Promise<T>, bytes: number, step: (value: T) => void): Promise<void> | void {
    this.#behind += 1;
    this.#bytes += bytes;
    const tail = this.#take(this.#tail, ready, bytes, step);
    this.#tail = tail;
    return this.#behind > MOST || this.#bytes > MOST_BYTES ? tail : undefined;
  }

  async #take<T>(
    before: Promise<void> | undefined,
    ready: Promise<T>,
    bytes: number,
    step: (value: T) => void,
  ): Promise<void> {
    try {
      const [value] = await Promise.all([ready, before]);
      if (!this.#broken) step(value);
    } catch (error) {
      if (!this.#broken) this.#failed(error);
      this.#broken = true;
    } finally {
      this.#behind -= 1;
      this.#bytes -= bytes;
      if (this.empty) this.#tail = undefined;
    }
  }
}
