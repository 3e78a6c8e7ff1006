import { startGateway } from '../fakes/gateway.ts';

/** The whole product in a process of its own, whose memory can be measured from outside. It ends with its parent. */
const gateway = await startGateway();
process.on('disconnect', () => void gateway.stop().then(() => process.exit()));
process.send?.({
  port: gateway.running.postgres.port,
  token: await gateway.token('engineer'),
});
