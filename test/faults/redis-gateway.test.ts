import { onRedis } from '../fakes/redis.ts';

await onRedis('faults/gateway.test.ts');
