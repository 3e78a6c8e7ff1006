import { onRedis } from '../fakes/redis.ts';

await onRedis('conformance/postgres.test.ts');
