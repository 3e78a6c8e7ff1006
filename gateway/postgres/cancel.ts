import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { backendKeyData } from './codec.ts';

type Live = { readonly secret: Buffer; readonly onCancel: () => void | Promise<void> };

/** Where a CancelRequest goes on to that means no session of this gateway: a balancer may bring it to any of them. */
export type CancelRelay = {
  /** The same for all gateways of the installation; the secret itself is not passed on. */
  readonly key: Buffer;
  tell(mark: string): void;
};

/** Anybody may send CancelRequests, so strangers must not be able to keep the other gateways busy with them. */
const RELAYED_PER_SECOND = 50;

/**
 * Which session a CancelRequest means. The process id is the target's own (tools compare it with pg_stat_activity),
 * the secret is the gateway's, so the target's never leaves it.
 */
export class Cancels {
  // Two targets may give the same process id.
  readonly #live = new Map<number, Set<Live>>();
  readonly #relay: CancelRelay | undefined;
  #second = 0;
  #relayed = 0;

  constructor(relay?: CancelRelay) {
    this.#relay = relay;
  }

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

  /** Resolves, once the session has been told, whether there was one here. Rejects with what the session throws. */
  async cancel(pid: number, secret: Buffer): Promise<boolean> {
    let found: Live | undefined;
    // Every candidate is compared, so that time tells nothing about which one matched.
    for (const live of this.#live.get(pid) ?? [])
      if (live.secret.length === secret.length && timingSafeEqual(live.secret, secret))
        found = live;
    if (!found) this.#pass(pid, secret);
    await found?.onCancel();
    return found !== undefined;
  }

  /** Another gateway was asked to cancel and had no such session. */
  async heard(mark: string): Promise<void> {
    if (!this.#relay) return;
    const asked = Buffer.from(mark);
    const pid = Number.parseInt(mark, 10);
    for (const { secret, onCancel } of this.#live.get(pid) ?? []) {
      const own = Buffer.from(markOf(this.#relay.key, pid, secret));
      if (own.length === asked.length && timingSafeEqual(own, asked)) await onCancel();
    }
  }

  #pass(pid: number, secret: Buffer): void {
    const second = Math.floor(performance.now() / 1_000);
    if (second !== this.#second) [this.#second, this.#relayed] = [second, 0];
    this.#relayed += 1;
    if (!this.#relay || this.#relayed > RELAYED_PER_SECOND) return;
    this.#relay.tell(markOf(this.#relay.key, pid, secret));
  }
}

function markOf(key: Buffer, pid: number, secret: Buffer): string {
  return `${pid}:${createHmac('sha256', key).update(`${pid}:`).update(secret).digest('base64')}`;
}
