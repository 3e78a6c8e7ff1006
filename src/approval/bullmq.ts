import {
  type ConnectionOptions,
  type IQueueBackend,
  createPostgresBackend,
  createRedisBackend,
  withBackend,
} from 'bullmq';
import { z } from 'zod';
import type { Config } from '../config/config.ts';
import type { Hint, Queue } from './queue.ts';

const NAME = 'countersign';
const ANSWER_MS = 3_000;
const HINT = {
  attempts: 5,
  backoff: { type: 'exponential', delay: 500 },
  removeOnComplete: true,
  removeOnFail: { age: 3_600, count: 1_000 },
};
const HintData = z.object({ outbox: z.string(), request: z.string() });

/**
 * The queue on BullMQ: on the store's PostgreSQL (schema `bullmq`) or on Redis, as configured. Its errors go to
 * `onError`: a queue that is away costs time, and the sweep of the outbox finds what it lost.
 */
export function openQueue(
  config: Config['queue'],
  storeUrl: string,
  onError: (error: Error) => void,
): Queue {
  if (config.backend === 'postgres') {
    const connection = { connectionString: storeUrl, migrate: true, max: 2 };
    return over(withBackend(createPostgresBackend), connection, connection, onError);
  }
  const redis = (retries: number | null): ConnectionOptions => ({
    url: config.url,
    maxRetriesPerRequest: retries,
  });
  // BullMQ demands endless retries of a consumer; a producer must fail soon instead.
  return over(withBackend(createRedisBackend), redis(1), redis(null), onError);
}

function over<B extends IQueueBackend, C>(
  bull: ReturnType<typeof withBackend<B, C>>,
  producer: C,
  consumer: C,
  onError: (error: Error) => void,
): Queue {
  const queue = new bull.Queue<Hint, void, 'hint'>(NAME, { connection: producer });
  queue.on('error', onError);
  let worker: { close(): Promise<void> } | undefined;
  return {
    async publish(hint) {
      // Without a server BullMQ waits for one as long as it takes.
      await within(ANSWER_MS, queue.add('hint', hint, { ...HINT, jobId: hint.outbox }));
    },
    consume(handle) {
      const own = new bull.Worker<Hint, void, 'hint'>(
        NAME,
        async (job) => {
          await handle(HintData.parse(job.data));
        },
        { connection: consumer, concurrency: 4 },
      );
      own.on('error', onError);
      worker = own;
      return Promise.resolve();
    },
    async ping() {
      await within(ANSWER_MS, queue.getJobCounts('waiting'));
    },
    async close() {
      await within(ANSWER_MS, worker?.close() ?? Promise.resolve()).catch(onError);
      await within(ANSWER_MS, queue.close()).catch(onError);
    },
  };
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`the queue did not answer within ${ms} ms`)), ms);
  });
  return await Promise.race([work, late]).finally(() => clearTimeout(timer));
}
