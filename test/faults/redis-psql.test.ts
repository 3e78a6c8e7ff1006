import { onRedis } from '../fakes/redis.ts';

await onRedis('e2e/psql.test.ts', 'psql');
