import { type IQueueBackend, createPostgresBackend, createRedisBackend, withBackend } from 'bullmq';
import { z } from 'zod';
import type { Config } from '../config/config.ts';
import { type Outage, watchOutage } from './outage.ts';
import type { Hint, Queue, QueueLog } from './queue.ts';
import { openProducer, redisOptions } from './redis.ts';

const NAME = 'countersign';
const ANSWER_MS = 3_000;
const CLOSE_MS = 2_000;
/** Hints that wait for a backend which never answered since the start. */
const MOST_WAITING = 1_000;
const HINT = {
  attempts: 5,
  backoff: { type: 'exponential', delay: 500 },
  removeOnComplete: true,
  removeOnFail: { age: 3_600, count: 1_000 },
};
/** A card is claimed for a minute, so a hint need not be renewed; what comes twice finds nothing to do. */
const WORKER = {
  concurrency: 4,
  runRetryDelay: 2_000,
  lockDuration: 60_000,
  skipLockRenewal: true,
};
const HintData = z.object({ outbox: z.string(), request: z.string() });

/** How the two sides of a queue reach their backend, and what drops a connection that is ours and not BullMQ's. */
type Connections<C> = { readonly producer: C; readonly consumer: C; readonly drop: () => void };

type Leaving = { disconnect(): Promise<void>; getBackend(): IQueueBackend };

/**
 * The queue on BullMQ: on the store's PostgreSQL (schema `bullmq`) or on Redis, as configured. Its errors go to the
 * log: a queue that is away costs time, and the sweep of the outbox finds what it lost.
 */
export function openQueue(config: Config['queue'], storeUrl: string, log: QueueLog): Queue {
  const outage = watchOutage(log);
  if (config.backend === 'postgres') {
    const connection = { connectionString: storeUrl, migrate: true, max: 2 };
    const connections = { producer: connection, consumer: connection, drop: () => {} };
    return over(withBackend(createPostgresBackend), connections, outage, log);
  }
  const ended = new AbortController();
  const options = redisOptions(config, ended.signal);
  const producer = openProducer(options, log, outage);
  const connections = {
    producer,
    // BullMQ demands endless retries of a consumer.
    consumer: { ...options, maxRetriesPerRequest: null },
    drop() {
      ended.abort();
      producer.disconnect();
    },
  };
  return over(withBackend(createRedisBackend), connections, outage, log);
}

function over<B extends IQueueBackend, C>(
  bull: ReturnType<typeof withBackend<B, C>>,
  { producer, consumer, drop }: Connections<C>,
  outage: Outage,
  log: QueueLog,
): Queue {
  // What BullMQ itself checks of a Redis, it writes to stderr.
  const common = { skipVersionCheck: true };
  const queue = new bull.Queue<Hint, void, 'hint'>(NAME, { ...common, connection: producer });
  queue.on('error', outage.failed);
  let close: (() => Promise<void>) | undefined;
  let waiting = 0;
  return {
    async publish(hint) {
      if (waiting >= MOST_WAITING) throw untaken(new Error('too many hints wait for it'));
      waiting += 1;
      const added = queue
        .add('hint', hint, { ...HINT, jobId: hint.outbox })
        .finally(() => (waiting -= 1));
      // Without a server BullMQ waits for one as long as it takes.
      await within(ANSWER_MS, added).catch((cause: unknown) => {
        throw untaken(cause);
      });
      outage.back();
    },
    consume(handle) {
      const own = new bull.Worker<Hint, void, 'hint'>(
        NAME,
        async (job) => {
          await handle(HintData.parse(job.data)).catch((err: Error) => {
            log.warn({ err, request: job.data.request }, 'a hint failed; it is tried again');
            // BullMQ keeps the message of a failure in the queue, where nothing but ids may be.
            throw new Error('the hint was not handled');
          });
        },
        { ...common, ...WORKER, connection: consumer },
      );
      own.on('error', outage.failed);
      close = () => within(CLOSE_MS, own.close()).catch(() => void leave(own));
      return Promise.resolve();
    },
    async ping() {
      await within(ANSWER_MS, queue.getJobCounts('waiting'));
    },
    async close() {
      outage.end();
      await close?.();
      await within(CLOSE_MS, queue.close()).catch(() => {});
      drop();
    },
  };
}

/** One that never was ready does not disconnect, and one that waits for an answer does not close. */
async function leave(worker: Leaving): Promise<void> {
  await Promise.allSettled([worker.disconnect(), worker.getBackend().close(true)]);
}

const untaken = (cause: unknown): Error =>
  new Error('the queue did not take a hint: the sweep finds what it was for', { cause });

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`the queue did not answer within ${ms} ms`)), ms);
  });
  return await Promise.race([work, late]).finally(() => clearTimeout(timer));
}
