import { randomBytes, timingSafeEqual } from 'node:crypto';
import { backendKeyData } from './codec.ts';

type Live = { readonly secret: Buffer; readonly onCancel: () => void | Promise<void> };

/**
 * Which session a CancelRequest means. The process id is the target's own (tools compare it with pg_stat_activity),
 * the secret is the gateway's, so the target's never leaves it.
 */
export class Cancels {
  // Two targets may give the same process id.
  readonly #live = new Map<number, Set<Live>>();

  /**
   * `keyData` is the BackendKeyData message for the client: 4 secret bytes in protocol 3.0, 32 in 3.2.
   * Call `unregister` when the session ends.
   */
  register(
    pid: number,
    minor: 0 | 2,
    onCancel: () => void | Promise<void>,
  ): { readonly keyData: Buffer; readonly unregister: () => void } {
    const secret = randomBytes(minor === 2 ? 32 : 4);
    const live: Live = { secret, onCancel };
    const sessions = this.#live.get(pid) ?? new Set();
    this.#live.set(pid, sessions.add(live));
    return {
      keyData: backendKeyData(pid, secret),
      unregister: () => {
        sessions.delete(live);
        if (sessions.size === 0 && this.#live.get(pid) === sessions) this.#live.delete(pid);
      },
    };
  }

  /** Resolves, once the session has been told, whether there was one. Rejects with what the session throws. */
  async cancel(pid: number, secret: Buffer): Promise<boolean> {
    let found: Live | undefined;
    // Every candidate is compared, so that time tells nothing about which one matched.
    for (const live of this.#live.get(pid) ?? [])
      if (live.secret.length === secret.length && timingSafeEqual(live.secret, secret))
        found = live;
    await found?.onCancel();
    return found !== undefined;
  }
}
