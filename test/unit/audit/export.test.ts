import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { startExport, exportLag, type Sink } from '#src/audit/export/exporter.ts';
import { ocsfEvents, type OcsfEvent } from '#src/audit/export/ocsf.ts';
import { toFile, toOtlp, toSplunk } from '#src/audit/export/sinks.ts';
import { Syslog } from '#src/audit/export/target/syslog.ts';
import { startSequencer } from '#src/audit/tree/sequencer.ts';
import { openAuditLog, type OpenAuditLog } from '#src/audit/writer.ts';
import { LOCALHOST, makeAuthority } from '../../fakes/certificates.ts';
import { eventually } from '../../fakes/gateway.ts';
import { startStore, type TestStore } from '../store/store.ts';
import { CASES, product } from './ocsf-cases.ts';

const sequences = (got: readonly OcsfEvent[]) =>
  got.map((one) => (one['metadata'] as { sequence: number }).sequence);
const secret = (value: string) => () => Promise.resolve(value);

/** Whole messages of an octet-counted stream. */
function messages(stream: string): string[] {
  const bytes = Buffer.from(stream);
  const found: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at);
    const length = Number(bytes.toString('utf8', at, space));
    if (space < 0 || space + 1 + length > bytes.length) break;
    found.push(bytes.toString('utf8', space + 1, space + 1 + length));
    at = space + 1 + length;
  }
  return found;
}

describe('export', () => {
  let store: TestStore;
  let log: OpenAuditLog;
  let folder = '';
  const open: { close(): Promise<void> }[] = [];
  const errors: Error[] = [];
  const events: OcsfEvent[] = CASES.slice(0, 5).flatMap(([one]) => ocsfEvents(one, product));

  before(async () => {
    store = await startStore();
    folder = await mkdtemp(join(tmpdir(), 'countersign-export-'));
    const options = { db: store.db, writer: 'gateway', epoch: 1, held: () => true };
    log = await openAuditLog({ ...options, onError: assert.ifError });
    open.push(
      startSequencer({
        db: store.db,
        everyMs: 20,
        onError: assert.ifError,
        onProblem: assert.fail,
      }),
    );
  });
  afterEach(async () => {
    for (const one of open.splice(1)) await one.close();
    errors.length = 0;
  });
  after(async () => {
    for (const one of open) await one.close();
    await log.close();
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });

  const run = (...sinks: Sink[]) =>
    open.push(
      startExport({
        db: store.db,
        sinks,
        product,
        leading: () => true,
        onError: (error) => errors.push(error),
        everyMs: 20,
      }),
    );
  const write = (count: number) =>
    Promise.all(Array.from({ length: count }, (_, n) => log.append({ kind: 'look', body: { n } })));

  test('every record comes once and in order, and goes on where it stopped', async () => {
    await write(1_200);
    const got: OcsfEvent[] = [];
    const deliver = (batch: readonly OcsfEvent[]) => Promise.resolve(void got.push(...batch));
    run({ name: 'one', since: 'start', deliver });
    await eventually('1,200 events', () => got.length === 1_200, 20);
    for (const one of open.splice(1)) await one.close();
    await write(5);
    run({ name: 'one', since: 'start', deliver });
    await eventually('5 more', () => got.length === 1_205, 20);
    assert.deepEqual(
      sequences(got),
      Array.from({ length: 1_205 }, (_, at) => at),
    );
    await eventually('no lag', async () =>
      (await exportLag(store.db)).every(({ records }) => records === 0),
    );
  });

  test('a place that fails gets the same again, and keeps nobody else waiting', async () => {
    const [bad, good]: [OcsfEvent[], OcsfEvent[]] = [[], []];
    let fails = 3;
    run(
      {
        name: 'bad',
        since: 'start',
        deliver: (batch) => {
          bad.push(...batch);
          return fails-- > 0 ? Promise.reject(new Error('away')) : Promise.resolve();
        },
      },
      { name: 'good', since: 'now', deliver: (batch) => Promise.resolve(void good.push(...batch)) },
    );
    await eventually('the cursor of the one from now on', async () =>
      (await exportLag(store.db)).some(({ sink }) => sink === 'good'),
    );
    await write(3);
    await eventually('the good one', () => good.length === 3);
    await eventually('the bad one', () => new Set(sequences(bad)).size === 1_208, 20);
    assert.equal(errors.length, 1);
    assert.match(errors[0]?.message ?? '', /records wait for bad: away/);
  });

  test('who does not lead sends nothing', async () => {
    const got: OcsfEvent[] = [];
    const deliver = (batch: readonly OcsfEvent[]) => Promise.resolve(void got.push(...batch));
    let leading = false;
    open.push(
      startExport({
        db: store.db,
        sinks: [{ name: 'led', since: 'start', deliver }],
        product,
        leading: () => leading,
        onError: assert.ifError,
        everyMs: 10,
      }),
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.deepEqual(got, []);
    leading = true;
    await eventually('all', () => got.length > 1_000, 20);
  });

  test('to a file, one line an event', async () => {
    const path = join(folder, 'records.ndjson');
    const deliver = toFile(path);
    await deliver(events);
    await deliver(events);
    const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
    assert.deepEqual(
      lines.map((line) => JSON.parse(line)),
      [...events, ...events],
    );
  });

  async function httpServer(status: number, text: string) {
    const calls: { url?: string; headers: NodeJS.Dict<string | string[]>; body: string }[] = [];
    const server = createServer((incoming, outgoing) => {
      let body = '';
      incoming.setEncoding('utf8').on('data', (part: string) => (body += part));
      incoming.on('end', () => {
        calls.push({ url: incoming.url ?? '', headers: incoming.headers, body });
        outgoing.writeHead(status).end(text);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    open.push({ close: async () => void server.close() });
    return { calls, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  }

  test('to Splunk, with its token, and an answer that is no success is a failure', async () => {
    const splunk = await httpServer(200, '{"text":"Success","code":0}');
    await toSplunk(splunk.url, secret('t0ken'), product.origin)(events);
    const [call] = splunk.calls;
    assert.equal(call?.url, '/services/collector/event');
    assert.equal(call?.headers['authorization'], 'Splunk t0ken');
    const lines = call.body
      .split('\n')
      .map((line) => JSON.parse(line) as { event: OcsfEvent; time: number });
    assert.deepEqual(
      lines.map(({ event }) => event),
      events,
    );
    assert.equal(lines[0]?.time, 1_795_200_810.214);
    const away = await httpServer(503, 'busy');
    await assert.rejects(toSplunk(away.url, secret('t0ken'), '')(events), /503: busy/);
  });

  test('to a collector of OpenTelemetry logs, and records that it refuses are a failure', async () => {
    const otlp = await httpServer(200, '{}');
    await toOtlp(otlp.url, { 'x-key': secret('k') })(events);
    assert.equal(otlp.calls[0]?.url, '/v1/logs');
    assert.equal(otlp.calls[0]?.headers['x-key'], 'k');
    const sent = JSON.parse(otlp.calls[0]?.body ?? '') as {
      resourceLogs: {
        scopeLogs: { logRecords: { timeUnixNano: string; body: { stringValue: string } }[] }[];
      }[];
    };
    const records = sent.resourceLogs[0]?.scopeLogs[0]?.logRecords ?? [];
    assert.deepEqual(
      records.map(({ body }) => JSON.parse(body.stringValue)),
      events,
    );
    assert.equal(records[0]?.timeUnixNano, '1795200810214000000');
    const partly = await httpServer(200, '{"partialSuccess":{"rejectedLogRecords":"2"}}');
    await assert.rejects(toOtlp(partly.url, {})(events), /refused 2/);
  });

  test('to syslog over TLS, each message behind its length, again after a broken line', async () => {
    const authority = await makeAuthority();
    const ca = join(folder, 'ca.pem');
    await writeFile(ca, authority.cert);
    const issued = await authority.issue({ san: LOCALHOST });
    let text = '';
    const server = createTlsServer({ key: issued.key, cert: issued.cert }, (socket) => {
      socket
        .setEncoding('utf8')
        .on('data', (part: string) => (text += part))
        .on('error', () => undefined);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const syslog = new Syslog({ host: 'localhost', port, ca });
    await syslog.deliver(events.slice(0, 2));
    await eventually('two messages', () => messages(text).length === 2);
    const [message = ''] = messages(text);
    assert.match(message, /^<110>1 2026-11-2\dT[\d:.]+Z \S+ countersign - ocsf6005 - \{/);
    assert.deepEqual(JSON.parse(message.slice(message.indexOf('{'))), events[0]);
    await syslog.close();
    await syslog.deliver(events.slice(2, 3));
    await eventually('the last batch again, and one more', () => messages(text).length === 5);
    await syslog.close();
    server.close();
    const stranger = new Syslog({ host: 'localhost', port, ca: join(folder, 'records.ndjson') });
    await assert.rejects(stranger.deliver(events));
  });
});
