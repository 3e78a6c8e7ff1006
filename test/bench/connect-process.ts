// A whole gateway in a process of its own for the bench of connecting, so that its CPU is its own. Sends what a client
// needs, then its CPU time each time it is asked.
import { generateKeyPairSync } from 'node:crypto';
import { startBearerWorld } from '../fakes/bearer-world.ts';

const world = await startBearerWorld({}, { certificateLogin: true });
const { gateway } = world;
const token = await gateway.token('engineer');
const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const answer = await fetch(`${gateway.running.console}/oauth/certificate`, {
  method: 'POST',
  headers: { authorization: `Bearer ${token}` },
  body: new URLSearchParams({
    public_key: keys.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  }),
});
const { certificate } = (await answer.json()) as { readonly certificate: string };
const end = (): void => void world.stop().finally(() => process.exit());
process.once('disconnect', end);
process.on('message', () => process.send?.({ cpu: process.cpuUsage() }));
process.send?.({
  gateway: gateway.running.postgres.port,
  target: gateway.target.port,
  ca: world.authority.cert,
  token,
  // A person with a live token is offered SCRAM alone.
  bearer: await world.access('security'),
  key: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  certificate,
});
