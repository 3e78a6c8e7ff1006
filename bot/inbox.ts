import type { Queue } from '#src/approval/queue.ts';
import type { Requests } from '#src/approval/port.ts';
import type { Request } from '#src/approval/request.ts';
import { claimOutbox, completeOutbox, deferOutbox, dueOutbox } from '#src/approval/outbox.ts';
import type { Database } from '#src/store/database.ts';
import type { Tracing } from '#src/telemetry/tracing.ts';

const SWEEP_MS = 1_000;
const BATCH = 20;
/** Who stops waits no longer for a chat that does not answer: the card is claimed for a minute, then tried again. */
const CLOSE_MS = 1_500;

/** Thrown by a platform that says when to come back. */
export class RetryAfter extends Error {
  override name = 'RetryAfter';
  readonly ms: number;
  constructor(ms: number, cause: unknown) {
    super(`chat asks to wait ${ms} ms`, { cause });
    this.ms = ms;
  }
}

export type InboxParts = {
  readonly db: Database;
  readonly queue: Queue;
  readonly requests: Pick<Requests, 'get'>;
  /** Brings every card of this request up to its version. */
  readonly deliver: (request: Request) => Promise<void>;
  readonly onError: (error: Error) => void;
  readonly tracing?: Tracing;
};

/**
 * Takes hints from the queue, and once a second what hints missed from the outbox, and delivers: what is
 * taken from the outbox is taken for its request as a whole, so several bots never post the same card side by side.
 */
export async function startInbox(parts: InboxParts): Promise<{ close(): Promise<void> }> {
  const { db, queue, onError } = parts;
  const running = new Set<Promise<void>>();
  const { promise: givenUp, resolve: giveUp } = Promise.withResolvers<void>();
  let closed = false;
  let timer: NodeJS.Timeout | undefined;

  const handle = (outbox: string): Promise<void> => {
    if (closed) return Promise.resolve();
    const work = deliverRow(parts, outbox)
      .catch(onError)
      .finally(() => running.delete(work));
    running.add(work);
    return Promise.race([work, givenUp]);
  };

  const sweep = async () => {
    for (const id of await dueOutbox(db.pool, BATCH)) await handle(id);
  };
  const schedule = () => {
    timer = setTimeout(() => {
      sweep()
        .catch(onError)
        .finally(() => {
          if (!closed) schedule();
        });
    }, SWEEP_MS).unref();
  };
  schedule();
  // Without the queue the sweep still delivers, later.
  await queue.consume((hint) => handle(hint.outbox)).catch(onError);
  return {
    async close() {
      closed = true;
      clearTimeout(timer);
      const late = setTimeout(giveUp, CLOSE_MS);
      await Promise.race([Promise.all(running), givenUp]);
      clearTimeout(late);
    },
  };
}

async function deliverRow(parts: InboxParts, outbox: string): Promise<void> {
  const { db, requests } = parts;
  const due = await claimOutbox(db.pool, outbox);
  if (!due) return;
  try {
    let request = await requests.get(due.request);
    while (request) {
      await deliverCards(parts, request);
      await completeOutbox(db.pool, request.id, request.version);
      const now = await requests.get(due.request);
      request = now && now.version > request.version ? now : undefined;
    }
  } catch (error) {
    const wait = error instanceof RetryAfter ? error : undefined;
    await deferOutbox(db.pool, due, wait?.ms);
    if (!wait) throw error;
  }
}

/** The card belongs to the trace of the statement that it is about. */
async function deliverCards({ deliver, tracing }: InboxParts, request: Request): Promise<void> {
  const { id, state, traceparent } = request;
  const span = traceparent && tracing?.start('card', { request: id, state }, traceparent);
  if (!span) return await deliver(request);
  try {
    await deliver(request);
    span.end();
  } catch (error) {
    span.end({}, true);
    throw error;
  }
}
