// How long a connection takes from its first byte to ReadyForQuery: straight to the target, and through a gateway with
// everything on, by each way of signing in. `node test/bench/connect.ts [--rounds N]`, with the Node.js of node_modules.
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import { serialize } from 'pg-protocol';
import { RawClient } from '../fakes/raw-client.ts';
import { median } from './median.ts';

const sasl = createRequire(import.meta.url)('pg/lib/crypto/sasl.js');
const MARK_MS = 10;

type Facts = {
  readonly gateway: number;
  readonly target: number;
  readonly ca: string;
  readonly token: string;
  readonly bearer: string;
  readonly key: string;
  readonly certificate: string;
};
type Way = { readonly name: string; readonly connect: () => Promise<RawClient> };
type Measured = { readonly ms: number[]; cpuUs: number };

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '200' } } });
const rounds = Number(values.rounds);

const child = fork(new URL('connect-process.ts', import.meta.url), { stdio: 'inherit' });
const [facts] = (await once(child, 'message')) as [Facts];
const ways = waysTo(facts);
const measured = new Map<string, Measured>(ways.map(({ name }) => [name, { ms: [], cpuUs: 0 }]));
// Keys are fetched, code is compiled, every way is proven to work.
for (let round = 0; round < 20; round++) for (const way of ways) await once1(way);
for (let round = 0; round < rounds; round++)
  for (const way of ways) {
    const one = measured.get(way.name);
    const before = await cpuOf(child);
    one?.ms.push(await once1(way));
    // What a session's end costs belongs to it.
    await new Promise((resolve) => setTimeout(resolve, 5));
    if (one) one.cpuUs += (await cpuOf(child)) - before;
  }
child.disconnect();
report();

/** Milliseconds from the first byte to ReadyForQuery. */
async function once1({ name, connect }: Way): Promise<number> {
  const started = performance.now();
  const client = await connect();
  const took = performance.now() - started;
  const last = client.greeting.at(-1);
  if (last?.name !== 'readyForQuery') throw new Error(`${name}: ${JSON.stringify(last)}`);
  client.end();
  await client.until('closed');
  return took;
}

async function cpuOf(process: ChildProcess): Promise<number> {
  const answer = once(process, 'message');
  process.send('cpu');
  const [{ cpu }] = (await answer) as [{ cpu: NodeJS.CpuUsage }];
  return cpu.user + cpu.system;
}

function clear(port: number): net.Socket {
  return net.connect(port, '127.0.0.1').setNoDelay(true);
}

function waysTo({ gateway, target, ca, token, bearer, key, certificate }: Facts): readonly Way[] {
  const engineer = 'engineer@example.com';
  const secure = (own: tls.ConnectionOptions = {}) =>
    tls.connect({
      port: gateway,
      host: '127.0.0.1',
      ca,
      servername: 'localhost',
      ALPNProtocols: ['postgresql'],
      ...own,
    });
  return [
    { name: 'direct, SCRAM', connect: () => speak(clear(target), 'gateway', 'gateway') },
    { name: 'token, no TLS', connect: () => speak(clear(gateway), engineer, token) },
    { name: 'token, TLS', connect: () => speak(secure(), engineer, token) },
    {
      name: 'OAUTHBEARER, TLS',
      connect: () => speak(secure(), 'security@example.com', bearer),
    },
    {
      name: 'client certificate, TLS',
      connect: () => speak(secure({ key, cert: certificate }), engineer, ''),
    },
  ];
}

/** Signs in by what the server asks for. */
async function speak(socket: net.Socket, user: string, secret: string): Promise<RawClient> {
  await once(socket, socket instanceof tls.TLSSocket ? 'secureConnect' : 'connect');
  let session: any;
  const client = RawClient.over(socket, async (heard) => {
    if (heard.name === 'authenticationSASL' && heard['mechanisms'].includes('OAUTHBEARER'))
      client.send(
        serialize.sendSASLInitialResponseMessage(
          'OAUTHBEARER',
          `n,,\x01auth=Bearer ${secret}\x01\x01`,
        ),
      );
    else if (heard.name === 'authenticationSASL') {
      session = sasl.startSession(['SCRAM-SHA-256']);
      client.send(serialize.sendSASLInitialResponseMessage(session.mechanism, session.response));
    } else if (heard.name === 'authenticationSASLContinue') {
      await sasl.continueSession(session, secret, heard['data']);
      client.send(serialize.sendSCRAMClientFinalMessage(session.response));
    }
  });
  client.send(serialize.startup({ user, database: 'shop' }));
  client.greeting = await client.until('readyForQuery', 'error', 'closed');
  return client;
}

function report(): void {
  const direct = measured.get('direct, SCRAM')?.ms ?? [];
  const [leastDirect, medianDirect] = [Math.min(...direct), median(direct)];
  console.log('| way | min ms | median ms | over direct: min | median | CPU of the gateway ms |');
  console.log('| --- | ---: | ---: | ---: | ---: | ---: |');
  for (const [name, { ms, cpuUs }] of measured) {
    const [least, middle] = [Math.min(...ms), median(ms)];
    const cells = [least, middle, least - leastDirect, middle - medianDirect, cpuUs / rounds / 1e3];
    console.log(`| ${name} | ${cells.map((cell) => cell.toFixed(2)).join(' | ')} |`);
    if (least - leastDirect > MARK_MS) process.exitCode = 1;
  }
}
