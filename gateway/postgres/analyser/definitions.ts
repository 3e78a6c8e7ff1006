import type { Catalog } from '#src/statement/sql/catalog.ts';
import type { CatalogReader } from '../catalog.ts';

const probeMs = 1000;
const unusableMs = 2000;

/** The target's definitions, kept current: looked at about once a second while they are used. */
export class Definitions {
  readonly #reader: CatalogReader;
  readonly #changed: () => void;
  #catalog: Catalog | undefined;
  #fingerprint = '';
  #probed = -Infinity;
  #expired = 0;
  #running: Promise<Catalog> | undefined;

  constructor(reader: CatalogReader, changed: () => void) {
    this.#reader = reader;
    this.#changed = changed;
  }

  /** `stale`: time to look again, meanwhile what is known may be used. `unusable`: not before looking. */
  get state(): 'current' | 'stale' | 'unusable' {
    const age = performance.now() - this.#probed;
    if (age <= probeMs) return 'current';
    return age <= unusableMs ? 'stale' : 'unusable';
  }

  /** The next `current()` looks again; a look that is under way began too early to count. */
  expire(): void {
    this.#probed = -Infinity;
    this.#expired += 1;
  }

  /** Definitions no older than a second, or with `now` as they are after this call. */
  async current(now = false): Promise<Catalog> {
    if (now) {
      await this.#running?.catch(() => undefined);
      return this.#look();
    }
    if (this.#catalog && this.state === 'current') return this.#catalog;
    return this.#look();
  }

  #look(): Promise<Catalog> {
    this.#running ??= this.#probe().finally(() => (this.#running = undefined));
    return this.#running;
  }

  async #probe(): Promise<Catalog> {
    const started = performance.now();
    const expired = this.#expired;
    try {
      const fingerprint = await this.#reader.fingerprint();
      if (!this.#catalog || fingerprint !== this.#fingerprint) {
        this.#changed();
        this.#catalog = await this.#reader.load();
        this.#fingerprint = fingerprint;
      }
      if (expired === this.#expired) this.#probed = started;
      return this.#catalog;
    } catch (error) {
      // What was judged before can no longer be relied on.
      this.#changed();
      throw error;
    }
  }
}
