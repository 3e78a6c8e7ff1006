import { z } from 'zod';
import { address, file, key, secret, urlOf } from './keys.ts';

const SENTINEL_KEYS = ['sentinels', 'name', 'db', 'sentinelPassword'];

const redis = z
  .strictObject({
    backend: key(z.literal('redis'), 'Redis or Valkey, 6.2 or later.', 'redis'),
    url: key(
      urlOf(['redis', 'rediss']).optional(),
      'Secret, `redis://host:port/number`, or `rediss://…` for TLS; or `sentinels` and `name`.',
      'redis://queue.internal:6379',
    ),
    sentinels: key(
      z.array(address).min(1).optional(),
      'Addresses of Redis Sentinels, which say which server is the master.',
      ['10.0.0.1:26379', '10.0.0.2:26379', '10.0.0.3:26379'],
    ),
    name: key(
      z.string().min(1).optional(),
      'What the Sentinels call the master; with `sentinels`.',
      'mymaster',
    ),
    db: key(
      z.int().min(0).optional(),
      'Number of the database, 0 by default; with `sentinels`. With `url` it is its path.',
      1,
    ),
    username: key(z.string().min(1).optional(), 'ACL user; default: `default`.', 'countersign'),
    password: key(
      secret.optional(),
      'Secret: the password at Redis, where the URL holds none.',
      '${file:./secrets/redis}',
    ),
    sentinelPassword: key(
      secret.optional(),
      'Secret: the password at the Sentinels, where they ask for one.',
      '${file:./secrets/sentinel}',
    ),
    tls: key(
      z
        .strictObject({
          ca: key(
            file.optional(),
            "PEM file with the certificate authority of Redis; default: the system's.",
            './tls/redis-ca.pem',
          ),
        })
        .optional(),
      'Encryption towards Redis and the Sentinels: with `rediss://` or `sentinels`.',
      { ca: './tls/redis-ca.pem' },
    ),
  })
  .superRefine((given, context) => {
    for (const [path, message] of problemsOf(given))
      context.addIssue({ code: 'custom', path: [path], message });
  });

type Given = Readonly<Record<string, unknown>> & { readonly url?: string | undefined };

/** Redis is named by one of two ways, and each has its own keys. */
function problemsOf(given: Given): (readonly [path: string, message: string])[] {
  if (given.url !== undefined) {
    const foreign = SENTINEL_KEYS.filter((one) => given[one] !== undefined);
    const clear = given['tls'] !== undefined && given.url.startsWith('redis:');
    return [
      ...foreign.map((one) => [one, 'is for sentinels: leave it out, or the url'] as const),
      ...(clear ? [['tls', 'the url is without TLS: start it with rediss://'] as const] : []),
    ];
  }
  if (given['sentinels'] === undefined)
    return [['url', 'the redis backend needs url: redis://host:port, or sentinels: and name:']];
  if (given['name'] === undefined)
    return [['name', 'sentinels need the name of the master: write name: mymaster']];
  return [];
}

export const queue = z
  .discriminatedUnion('backend', [
    z.strictObject({
      backend: key(z.literal('postgres'), '`postgres` (in the store) or `redis`.', 'postgres'),
    }),
    redis,
  ])
  .default({ backend: 'postgres' });
