import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import type { RedisConfig } from '../config/config.ts';
import type { Outage } from './outage.ts';
import type { QueueLog } from './queue.ts';

/** BullMQ's own least version, below which its scripts fail. */
const LEAST = [6, 2] as const;

const pause = (times: number): number => Math.min(times * 200, 2_000);
const PATIENCE = {
  connectTimeout: 3_000,
  // A server that went without a word is given up; a worker's longest wait is 10 s.
  socketTimeout: 12_000,
  sentinelCommandTimeout: 3_000,
  retryStrategy: pause,
  // A master that was demoted keeps its connections: a new one finds who is master now.
  reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
};

export type RedisOptions = ReturnType<typeof redisOptions>;

/**
 * How ioredis reaches the Redis of the configuration, until `ended`. Throws when the URL with its secrets is none, or
 * a file is away.
 */
export function redisOptions(config: RedisConfig, ended: AbortSignal) {
  const given = {
    ...PATIENCE,
    ...(config.username !== undefined && { username: config.username }),
    ...(config.password !== undefined && { password: config.password }),
  };
  const tls = config.tls?.ca === undefined ? {} : { ca: readFileSync(config.tls.ca, 'utf8') };
  if ('url' in config) return { ...fromUrl(config.url, tls), ...given };
  const { sentinels, name, db = 0, sentinelPassword } = config;
  return {
    ...given,
    sentinels: [...sentinels],
    name,
    db,
    // It would look for a Sentinel for ever, also when nobody wants to connect any more.
    sentinelRetryStrategy: (times: number) => (ended.aborted ? null : pause(times)),
    ...(sentinelPassword !== undefined && { sentinelPassword }),
    ...(config.tls && { tls, sentinelTLS: tls, enableTLSForSentinelMode: true }),
  };
}

function fromUrl(text: string, tls: object) {
  const url = URL.parse(text);
  if (!url)
    throw new Error(
      'queue.url with its secrets is no address: write the password under queue.password',
    );
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return {
    host: host === '' ? '127.0.0.1' : host,
    port: url.port === '' ? 6379 : Number(url.port),
    db: Number(url.pathname.slice(1)) || 0,
    ...(url.username !== '' && { username: decodeURIComponent(url.username) }),
    ...(url.password !== '' && { password: decodeURIComponent(url.password) }),
    ...(url.protocol === 'rediss:' && { tls }),
  };
}

/**
 * The connection that hints are published on. Whoever publishes hears soon that Redis is away. Each time it is there
 * (again), it is looked at whether it keeps what a queue needs.
 */
export function openProducer(options: RedisOptions, log: QueueLog, outage: Outage): Redis {
  const redis = new Redis({ ...options, maxRetriesPerRequest: 1, socketTimeout: 3_000 });
  redis.on('error', outage.failed);
  redis.on('ready', () => {
    redis
      .info()
      .then((info) => inspect(info, log))
      .catch(outage.failed);
  });
  return redis;
}

function inspect(info: string, log: QueueLog): void {
  const fact = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
  const policy = fact('maxmemory_policy') ?? 'noeviction';
  if (policy !== 'noeviction')
    log.warn(
      { policy },
      'Redis may throw away what the queue keeps: set its maxmemory-policy to noeviction',
    );
  const version = fact('redis_version') ?? LEAST.join('.');
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < LEAST[0] || (major === LEAST[0] && minor < LEAST[1]))
    log.warn({ version }, `Redis is too old for the queue: ${LEAST.join('.')} or later is needed`);
}
