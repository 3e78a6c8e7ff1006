import { onRedis } from '../fakes/redis.ts';

await onRedis('faults/stop.test.ts');
