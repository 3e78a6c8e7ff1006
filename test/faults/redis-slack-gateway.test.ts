import { onRedis } from '../fakes/redis.ts';

await onRedis('e2e/slack-gateway.test.ts');
