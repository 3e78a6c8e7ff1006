import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listenWitness } from '#gateway/witness/listener.ts';
import { openKeyFile } from '#src/audit/tree/key-file.ts';
import { COSIGNATURE, ED25519, formatVkey, noteKey, type NoteKey } from '#src/audit/tree/note.ts';
import { Witness } from '#src/audit/tree/witness.ts';
import { eventually, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { run } from './suite.ts';

const SOURCE = join(import.meta.dirname, 'log');
const FILE = new URL('log/results.md', import.meta.url);
const ORIGIN = 'suites.example.com/log';
const RECORDS = 600;

type Row = { readonly tool: string; readonly checks: string; readonly spoilt: string };

/** Other people's programs over a live log, and over one in which a byte was flipped. Exit code 1 when one is wrong. */
export async function logTools(): Promise<void> {
  if ((await run('go', ['version'])).code !== 0) {
    console.error('log: SKIPPED: there is no Go here (https://go.dev/dl, 1.26 or later)');
    return;
  }
  const folder = await mkdtemp(join(tmpdir(), 'countersign-log-tools-'));
  try {
    const built = await run('go', ['build', '-o', `${folder}/`, './...'], { cwd: SOURCE });
    if (built.code !== 0) throw new Error(`the programs do not build:\n${built.out}`);
    const rows = [...(await ofLog(folder)), await ofWitness(folder)];
    await writeFile(FILE, table(rows));
    console.log(table(rows));
    if (rows.some(({ checks, spoilt }) => `${checks} ${spoilt}`.includes('FAILED')))
      process.exitCode = 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function ofLog(folder: string): Promise<Row[]> {
  const keyFile = join(folder, 'signer.pem');
  const log = noteKey(ORIGIN, ED25519, await openKeyFile(keyFile));
  const witness = await ownWitness(folder, log);
  const trust = join(folder, 'trust');
  await writeFile(
    trust,
    `log ${formatVkey(log)}\nwitness own ${formatVkey(witness.key)} ${witness.url}\nquorum own\n`,
  );
  const own = { name: 'own', key: formatVkey(witness.key), url: witness.url };
  const gateway = await startGateway({
    config: {
      audit: {
        origin: ORIGIN,
        key: keyFile,
        witnesses: [own],
        quorum: 1,
        anchors: [],
        export: [],
        heartbeatMs: 60_000,
        serve: true,
      },
    },
  });
  try {
    const proofs = await furnish(gateway, folder);
    const world = { folder, base: `${gateway.running.console}/log`, vkey: formatVkey(log) };
    return await withSpoilt(world.base, async (bad) => {
      const tool = (name: string, program: string, args: (base: string) => readonly string[]) =>
        compare(name, join(folder, program), args(world.base), args(bad));
      return [
        await tool('golang.org/x/mod/sumdb (note, tlog)', 'sumdb', (base) => [base, world.vkey]),
        await tool('transparency-dev/merkle and formats', 'merkle', (base) => [
          base,
          trust,
          ...proofs,
        ]),
        await tool('transparency-dev/tessera (fsck)', 'fsck', (base) => [base, world.vkey]),
      ];
    });
  } finally {
    await gateway.stop();
    await witness.close();
  }
}

/** A log with two full tiles; returns the proof files of some of its records. */
async function furnish(gateway: TestGateway, folder: string): Promise<readonly string[]> {
  const client = await gateway.open();
  for (let n = 0; n < RECORDS / 2; n += 1)
    // oxlint-disable-next-line no-await-in-loop -- one client
    await client.query('select 1');
  await client.end();
  const size = async (): Promise<number> => {
    const { rows } = await gateway.storeSql.query<{ size: string | null }>(
      'select max(size) as size from countersign.tree_checkpoint where witnessed_at is not null',
    );
    return Number(rows[0]?.size ?? 0);
  };
  await eventually('a witnessed log', async () => (await size()) > RECORDS || undefined, 60);
  const { rows } = await gateway.storeSql.query<{ id: string }>(
    'select r.id from countersign.record r join countersign.tree_entry e using (writer, seq) where e.index in (0, 255, 256, 511)',
  );
  return Promise.all(
    rows.map(async ({ id }) => {
      const answer = await fetch(`${gateway.running.api}/records/${id}/proof`, {
        headers: { authorization: `Bearer ${await gateway.token('security', 'decide')}` },
      });
      const path = join(folder, `${id}.tlog-proof`);
      await writeFile(path, await answer.text());
      return path;
    }),
  );
}

/** The same log, with one byte flipped in an entry. */
async function withSpoilt<T>(base: string, use: (bad: string) => Promise<T>): Promise<T> {
  const server = createServer((request, response) => {
    void (async () => {
      const answer = await fetch(base + (request.url ?? ''));
      const bytes = Buffer.from(await answer.arrayBuffer());
      if (request.url === '/tile/entries/000') bytes.writeUInt8(bytes.readUInt8(99) ^ 1, 99);
      response.writeHead(answer.status).end(bytes);
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on a port
  const { port } = server.address() as AddressInfo;
  try {
    return await use(`http://127.0.0.1:${port}`);
  } finally {
    server.close();
  }
}

async function compare(
  tool: string,
  program: string,
  args: readonly string[],
  bad: readonly string[],
): Promise<Row> {
  const [good, spoilt] = [await run(program, args), await run(program, bad)];
  const checks = good.code === 0 ? said(good.out) : `FAILED: ${firstLine(good.out)}`;
  return { tool, checks, spoilt: spoilt.code === 0 ? 'FAILED: not found' : 'found' };
}

const firstLine = (text: string): string => text.trim().split('\n')[0] ?? '';
/** What our programs print; their libraries log beside it. */
const said = (text: string): string =>
  firstLine(text.replaceAll(/^[IWE]\d{4} .*$/gm, '').trim()).replace(
    '1 cosignatures',
    'a cosignature',
  );

async function ownWitness(folder: string, log: NoteKey) {
  const name = 'witness.example.com/own';
  const key = await openKeyFile(join(folder, 'witness.pem'));
  const seen = join(folder, `seen-${log.id}`);
  const running = new Witness({ name, key, folder: seen, logs: [log] });
  const listening = await listenWitness(running, { host: '127.0.0.1', port: 0 }, (error) =>
    console.error(error),
  );
  return { ...listening, key: noteKey(name, COSIGNATURE, key) };
}

/** Tessera's own log has its checkpoints cosigned by our witness; one that does not know the log cosigns nothing. */
async function ofWitness(folder: string): Promise<Row> {
  const { privateKey } = generateKeyPairSync('ed25519');
  const log = noteKey('tessera.example.com/log', ED25519, privateKey);
  const seed = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32);
  const secret = `PRIVATE+KEY+${log.name}+${log.id.toString(16).padStart(8, '0')}+${Buffer.concat([Buffer.from([1]), seed]).toString('base64')}`;
  const feed = async (watched: NoteKey): Promise<{ code: number; out: string }> => {
    const witness = await ownWitness(folder, watched);
    const place = await mkdtemp(join(folder, 'tessera-'));
    await mkdir(place, { recursive: true });
    const ran = await bounded(join(folder, 'feed'), [
      place,
      secret,
      witness.url,
      formatVkey(witness.key),
    ]);
    await witness.close();
    return ran;
  };
  const good = await feed(log);
  const stranger = noteKey(
    'other.example.com/log',
    ED25519,
    generateKeyPairSync('ed25519').publicKey,
  );
  const bad = await feed(stranger);
  return {
    tool: 'transparency-dev/tessera (a log), with our witness',
    checks: good.code === 0 ? said(good.out) : `FAILED: ${firstLine(good.out)}`,
    spoilt: bad.code === 0 ? 'FAILED: cosigned' : 'a log that it does not watch: not cosigned',
  };
}

/** Tessera asks a witness again and again; half a minute is enough. */
function bounded(program: string, args: readonly string[]): Promise<{ code: number; out: string }> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { timeout: 40_000 });
    let out = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.on('close', (code) => resolve({ code: code ?? -1, out }));
  });
}

function table(rows: readonly Row[]): string {
  return [
    '# Other people’s tools over a live log',
    '',
    'Written by `npm run suites log`. The second column is the same log with one byte of an entry flipped.',
    '',
    '| tool | has verified | spoilt |',
    '|---|---|---|',
    ...rows.map(({ tool, checks, spoilt }) => `| ${tool} | ${checks} | ${spoilt} |`),
    '',
  ].join('\n');
}
