import { setTimeout as sleep } from 'node:timers/promises';
import type { RecordingEvent, Recordings } from '#src/recording/port.ts';

/** Whoever looked may not see it any more, or nobody can say whether they may. */
export class NoLonger extends Error {
  override name = 'NoLonger';
}

/** Who has lost the right sees nothing more, at the latest after this. */
const LOOK_MS = 250;
const IDLE_LOOK_MS = 2_000;
const BEGUN_MS = 500;

type Questions = {
  /** Whether whoever looks may still see it. */
  readonly still: () => Promise<boolean>;
  /** Whether there is something to follow: a session that has just begun has no recording yet. */
  readonly begun: () => Promise<boolean>;
};

/**
 * A recording as it comes, for somebody whose right to see it is asked for again and again: when `still` says no, or cannot
 * say, it throws `NoLonger`. It ends when the session does, and when the signal aborts.
 */
export async function* watched(
  recordings: Pick<Recordings, 'follow'>,
  session: string,
  { still, begun }: Questions,
  signal: AbortSignal,
): AsyncGenerator<RecordingEvent> {
  const over = new AbortController();
  let asked = Date.now();
  const look = async (): Promise<boolean> => {
    asked = Date.now();
    const may = await still().catch(() => false);
    if (!may) over.abort();
    return may;
  };
  const timer = setInterval(() => void look(), IDLE_LOOK_MS);
  try {
    // oxlint-disable-next-line no-await-in-loop -- one look after another
    while (!signal.aborted && !over.signal.aborted && !(await begun())) await sleep(BEGUN_MS);
    for await (const event of recordings.follow(session, AbortSignal.any([signal, over.signal]))) {
      if (signal.aborted) return;
      if (over.signal.aborted || (Date.now() - asked > LOOK_MS && !(await look())))
        throw new NoLonger();
      yield event;
    }
    if (over.signal.aborted) throw new NoLonger();
  } finally {
    clearInterval(timer);
    over.abort();
  }
}
