import { Redis } from 'ioredis';
import { redisOptions } from '#src/approval/redis.ts';
import type { RedisConfig } from '#src/config/config.ts';
import { failed, type Check } from './check.ts';

const PATIENCE_MS = 5_000;
/** Below it the queue's scripts fail. */
const LEAST = 6.2;

/** A Redis that answers, is new enough, and throws nothing away. */
export async function checkRedis(config: RedisConfig): Promise<readonly Check[]> {
  const ended = new AbortController();
  let redis: Redis | undefined;
  try {
    redis = new Redis({
      ...redisOptions(config, ended.signal),
      lazyConnect: true,
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
    });
    // Said by whoever waits for an answer.
    redis.on('error', () => undefined);
    const late = AbortSignal.timeout(PATIENCE_MS);
    late.addEventListener('abort', () => redis?.disconnect());
    await redis.connect();
    return redisChecks(await redis.info());
  } catch (error) {
    return [failed('Redis', error, 'start it, or correct queue: in the configuration')];
  } finally {
    ended.abort();
    redis?.disconnect();
  }
}

/** From the text of INFO. */
export function redisChecks(info: string): readonly Check[] {
  const fact = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
  const version = fact('redis_version') ?? '?';
  const old = Number.parseFloat(version) < LEAST;
  const policy = fact('maxmemory_policy') ?? 'noeviction';
  const evicts = policy !== 'noeviction';
  return [
    {
      what: 'Redis',
      state: old ? 'fail' : 'ok',
      found: `version ${version}${fact('valkey_version') === undefined ? '' : ' (Valkey)'}`,
      ...(old && { next: `use Redis ${LEAST} or later, or Valkey` }),
    },
    {
      what: 'Redis eviction',
      state: evicts ? 'warn' : 'ok',
      found: policy,
      ...(evicts && { next: 'set maxmemory-policy noeviction: cards would come late' }),
    },
  ];
}
