import type { Adapter, AdapterPayload } from 'oidc-provider';

/** One thing remembered; `until` is in milliseconds since the epoch. */
export type Entry = { readonly payload: AdapterPayload; readonly until: number };

/** Whoever reaches the provider can make it remember something: the oldest goes first. */
const MOST = 5_000;

/** What oidc-provider remembers, in memory. Keys are `Model:id`. */
export class Store {
  readonly #entries: Map<string, Entry>;
  readonly #changed: (key: string) => void;

  /** `changed` hears the key of each entry that came, changed or went. */
  constructor(entries: Iterable<readonly [string, Entry]> = [], changed = (_key: string) => {}) {
    this.#entries = new Map(entries);
    this.#changed = changed;
  }

  /** For oidc-provider's `adapter` setting. */
  adapter = (model: string): Adapter => {
    const find = (id: string) => Promise.resolve(this.#get(`${model}:${id}`));
    const findBy = (key: 'uid' | 'userCode', value: string) =>
      Promise.resolve(
        this.live().find(([name, { payload }]) => {
          return name.startsWith(`${model}:`) && payload[key] === value;
        })?.[1].payload,
      );
    return {
      find,
      findByUid: (uid) => findBy('uid', uid),
      findByUserCode: (code) => findBy('userCode', code),
      upsert: (id, payload, expiresIn) =>
        Promise.resolve(this.#set(`${model}:${id}`, payload, expiresIn)),
      consume: async (id) => {
        const payload = await find(id);
        if (!payload) return;
        payload.consumed = Math.floor(Date.now() / 1000);
        this.#changed(`${model}:${id}`);
      },
      destroy: (id) => Promise.resolve(this.#delete(`${model}:${id}`)),
      revokeByGrantId: (grantId) =>
        Promise.resolve(
          this.live()
            .filter(([, { payload }]) => payload.grantId === grantId)
            .forEach(([key]) => this.#delete(key)),
        ),
    };
  };

  /** What has not expired, oldest first. */
  live(): readonly (readonly [string, Entry])[] {
    const now = Date.now();
    return [...this.#entries].filter(([, { until }]) => until > now);
  }

  #get(key: string): AdapterPayload | undefined {
    const entry = this.#entries.get(key);
    return entry && entry.until > Date.now() ? entry.payload : undefined;
  }

  #set(key: string, payload: AdapterPayload, expiresIn = Number.POSITIVE_INFINITY): void {
    this.#entries.delete(key);
    this.#makeRoom();
    this.#entries.set(key, { payload, until: Date.now() + expiresIn * 1000 });
    this.#changed(key);
  }

  #makeRoom(): void {
    if (this.#entries.size < MOST) return;
    const live = new Set(this.live().map(([key]) => key));
    for (const key of this.#entries.keys()) if (!live.has(key)) this.#delete(key);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size >= MOST && oldest !== undefined) this.#delete(oldest);
  }

  #delete(key: string): void {
    if (this.#entries.delete(key)) this.#changed(key);
  }
}
