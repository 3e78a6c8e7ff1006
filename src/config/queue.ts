import { resolve } from 'node:path';
import type { RedisConfig } from './config.ts';
import type { File } from './schema.ts';
import { parseAddress } from './units.ts';

type RedisFile = Extract<File['queue'], { backend: 'redis' }>;

/** The queue's part of the configuration; `secretAt` looks up a text that may hold secrets. */
export async function buildRedis(
  queue: RedisFile,
  base: string,
  secretAt: (path: string, text: string) => Promise<string>,
): Promise<RedisConfig> {
  const { url, sentinels = [], name = '', db, username, tls } = queue;
  const password = async (key: 'password' | 'sentinelPassword') =>
    queue[key] !== undefined && { [key]: await secretAt(`queue.${key}`, queue[key]) };
  const common = {
    backend: 'redis' as const,
    ...(username !== undefined && { username }),
    ...(await password('password')),
    ...(tls && { tls: tls.ca === undefined ? {} : { ca: resolve(base, tls.ca) } }),
  };
  if (url !== undefined) return { ...common, url: await secretAt('queue.url', url) };
  return {
    ...common,
    name,
    sentinels: sentinels.flatMap((text) => parseAddress(text) ?? []),
    ...(db !== undefined && { db }),
    ...(await password('sentinelPassword')),
  };
}
