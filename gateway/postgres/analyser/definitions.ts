import type { Catalog } from '#src/statement/sql/catalog.ts';
import type { CatalogReader } from '../catalog.ts';

const probeMs = 1000;

/** The target's definitions, kept current: looked at about once a second while they are used. */
export class Definitions {
  readonly #reader: CatalogReader;
  readonly #changed: () => void;
  #catalog: Catalog | undefined;
  #fingerprint = '';
  #probed = 0;
  #running: Promise<Catalog> | undefined;

  constructor(reader: CatalogReader, changed: () => void) {
    this.#reader = reader;
    this.#changed = changed;
  }

  /** True when the last look is too old to rely on. */
  get stale(): boolean {
    return performance.now() - this.#probed > probeMs;
  }

  /** The next `current()` looks again. */
  expire(): void {
    this.#probed = 0;
  }

  /** Definitions no older than a second, or with `now` as they are after this call. */
  async current(now = false): Promise<Catalog> {
    if (now) {
      await this.#running?.catch(() => undefined);
      return this.#look();
    }
    if (this.#catalog && !this.stale) return this.#catalog;
    return this.#look();
  }

  #look(): Promise<Catalog> {
    this.#running ??= this.#probe().finally(() => (this.#running = undefined));
    return this.#running;
  }

  async #probe(): Promise<Catalog> {
    const started = performance.now();
    try {
      const fingerprint = await this.#reader.fingerprint();
      if (!this.#catalog || fingerprint !== this.#fingerprint) {
        this.#changed();
        this.#catalog = await this.#reader.load();
        this.#fingerprint = fingerprint;
      }
      this.#probed = started;
      return this.#catalog;
    } catch (error) {
      // What was judged before can no longer be relied on.
      this.#changed();
      throw error;
    }
  }
}
