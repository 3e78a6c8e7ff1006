import type { Database } from '../store/database.ts';

export const CHANNEL = 'countersign_request';

/** Who waits for which request. Waking is a hint: whoever is woken reads the store again. */
export type Wake = {
  /** Calls `look` now and whenever something may have changed, until it gives a value, fails or the signal aborts. */
  until<T>(id: string, signal: AbortSignal, look: () => Promise<T | undefined>): Promise<T>;
  /** Something about this request changed (undefined: about any). */
  wake(id?: string): void;
  /** Calls `listener` with each id that is woken (undefined: any may have changed); returns how to stop. */
  watch(listener: (id: string | undefined) => void): () => void;
  close(): Promise<void>;
};

type Listener = { readonly end: () => Promise<void> };

/**
 * Wakes by LISTEN on one dedicated connection and by `wake()` in this process; the caller's poll covers what both miss.
 * A broken connection is opened again, and everybody is woken afterwards, since a NOTIFY may have been missed.
 */
export async function openWake(db: Database, onError: (error: Error) => void): Promise<Wake> {
  const waiting = new Map<string, Set<() => void>>();
  let closed = false;
  let listener: Listener | undefined;
  let retry: NodeJS.Timeout | undefined;

  const watchers = new Set<(id: string | undefined) => void>();
  const wake = (id?: string) => {
    for (const watcher of watchers) watcher(id);
    const sets = id === undefined ? [...waiting.values()] : [waiting.get(id) ?? new Set()];
    for (const set of sets) for (const call of set) call();
  };

  const listen = async () => {
    const client = await db.connect();
    if (closed) return await client.end();
    const again = () => {
      if (closed || listener !== own) return;
      listener = undefined;
      schedule();
    };
    const own: Listener = { end: () => client.end() };
    client.on('notification', (note) => wake(note.payload));
    client.on('end', again);
    listener = own;
    try {
      await client.query(`listen ${CHANNEL}`);
    } catch (error) {
      listener = undefined;
      await client.end().catch(() => {});
      throw error;
    }
    wake();
  };

  const schedule = () => {
    if (closed) return;
    retry = setTimeout(() => {
      listen().catch((error: Error) => {
        onError(error);
        schedule();
      });
    }, 500).unref();
  };

  await listen();
  return {
    wake,
    watch(watcher) {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    async until(id, signal, look) {
      const set = waiting.get(id) ?? new Set();
      waiting.set(id, set);
      let ring: (() => void) | undefined;
      let rung = true;
      const call = () => {
        rung = true;
        ring?.();
      };
      set.add(call);
      signal.addEventListener('abort', call);
      try {
        for (;;) {
          signal.throwIfAborted();
          if (closed) throw new Error('requests are closed: this process is stopping');
          rung = false;
          const value = await look();
          if (value !== undefined) return value;
          // Rung while looking: what was read may be old already.
          if (!rung) await new Promise<void>((resolve) => (ring = resolve));
        }
      } finally {
        signal.removeEventListener('abort', call);
        set.delete(call);
        if (set.size === 0) waiting.delete(id);
      }
    },
    async close() {
      closed = true;
      clearTimeout(retry);
      wake();
      await listener?.end();
    },
  };
}
