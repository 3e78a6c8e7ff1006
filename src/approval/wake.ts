import type { Notices } from '../store/notices.ts';

export const CHANNEL = 'countersign_request';

/** Who waits for which request. Waking is a hint: whoever is woken reads the store again. */
export type Wake = {
  /** Calls `look` now and whenever something may have changed, until it gives a value, fails or the signal aborts. */
  until<T>(id: string, signal: AbortSignal, look: () => Promise<T | undefined>): Promise<T>;
  /** The requests that somebody waits for. */
  waiting(): string[];
  /** Something about this request changed (undefined: about any). */
  wake(id?: string): void;
  /** Calls `listener` with each id that is woken (undefined: any may have changed); returns how to stop. */
  watch(listener: (id: string | undefined) => void): () => void;
  close(): void;
};

/** Wakes by NOTIFY and by `wake()` in this process; the caller's poll covers what both miss. */
export function openWake(notices: Notices): Wake {
  const waiting = new Map<string, Set<() => void>>();
  let closed = false;
  const watchers = new Set<(id: string | undefined) => void>();
  const wake = (id?: string) => {
    for (const watcher of watchers) watcher(id);
    const sets = id === undefined ? [...waiting.values()] : [waiting.get(id) ?? new Set()];
    for (const set of sets) for (const call of set) call();
  };

  const stop = notices.on(CHANNEL, wake);
  return {
    waiting: () => [...waiting.keys()],
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
    close() {
      closed = true;
      stop();
      wake();
    },
  };
}
