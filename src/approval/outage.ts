import type { QueueLog } from './queue.ts';

/** Longer than clients pause between two attempts, so that one outage is one. */
const QUIET_MS = 10_000;

/** Failures of a backend that is tried again and again, told once an outage and kind. */
export type Outage = {
  failed(this: void, error: Error): void;
  /** It took a hint. Told when it had failed. */
  back(): void;
  /** We leave: what breaks from now on is no news. */
  end(): void;
};

export function watchOutage(log: QueueLog): Outage {
  const last = new Map<string, number>();
  let ended = false;
  return {
    failed(err) {
      if (ended) return;
      const now = performance.now();
      for (const [kind, at] of last) if (now - at > QUIET_MS) last.delete(kind);
      const kind = kindOf(err);
      if (!last.has(kind))
        log.warn({ err }, 'the queue failed: the sweep posts what waits until it is back');
      last.set(kind, now);
    },
    back() {
      if (last.size > 0) log.info({}, 'the queue takes hints again');
      last.clear();
    },
    end() {
      ended = true;
    },
  };
}

/** Its code, else how its message begins: what follows may be a number that changes. */
function kindOf(error: Error): string {
  const code = 'code' in error ? String(error.code) : '';
  return code === '' ? error.message.split(' ').slice(0, 3).join(' ') : code;
}
