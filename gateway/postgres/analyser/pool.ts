import type { TargetConfig } from '#src/config/config.ts';
import { type Answer, Sidecar } from './sidecar.ts';

const size = 4;
// Characters; one session alone takes what is longer, so that it keeps nobody else waiting.
const long = 16_384;

/** A few sidecar sessions; one that already has the search path is preferred, because setting it costs a round trip. */
export class SidecarPool {
  readonly #sidecars: readonly Sidecar[];
  readonly #long: Sidecar;
  constructor(target: TargetConfig, database: string) {
    this.#sidecars = Array.from({ length: size - 1 }, () => new Sidecar(target, database));
    this.#long = new Sidecar(target, database, { statement_timeout: '10s' });
  }

  async connect(): Promise<void> {
    await this.#sidecars[0]?.connect();
  }

  ask(text: string, types: readonly number[], path: string): Promise<Answer> {
    if (text.length > long) return this.#long.ask(text, types, path);
    const cost = (one: Sidecar): number =>
      one.waiting * 4 + (one.path === path ? 0 : one.path === undefined ? 2 : 3);
    const best = this.#sidecars.reduce((a, b) => (cost(b) < cost(a) ? b : a));
    return best.ask(text, types, path);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#sidecars, this.#long].map((one) => one.close()));
  }
}
