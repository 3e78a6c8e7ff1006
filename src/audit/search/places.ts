/** Thrown when so many search at once that one more would only wait. */
export class SearchBusy extends Error {
  override name = 'SearchBusy';
  constructor() {
    super('too many people search at this moment; try again in a few seconds');
  }
}

/** Thrown when a search had to be stopped. */
export class SearchSlow extends Error {
  override name = 'SearchSlow';
  constructor(cause: unknown) {
    super(
      'the search took longer than 5 s and was stopped; name a person, a target or a shorter time, or words of three letters and more',
      { cause },
    );
  }
}

/** So many at once, a few who wait for their turn, and nobody more. */
export class Places {
  readonly #most: number;
  readonly #waiting: (() => void)[] = [];
  readonly #longest: number;
  #taken = 0;

  constructor(most: number, longest: number) {
    this.#most = most;
    this.#longest = longest;
  }

  /** Throws SearchBusy when the queue is full. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#taken >= this.#most) {
      if (this.#waiting.length >= this.#longest) throw new SearchBusy();
      // Whoever leaves hands the place over.
      await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    } else this.#taken += 1;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#taken -= 1;
    }
  }
}
