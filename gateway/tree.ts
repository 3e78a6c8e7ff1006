import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { layInGit } from '#src/audit/tree/anchor-git.ts';
import { startAnchors, type Anchor } from '#src/audit/tree/anchors.ts';
import { startCheckpoints } from '#src/audit/tree/checkpoints.ts';
import { startExport, type Sink } from '#src/audit/export/exporter.ts';
import { toFile, toOtlp, toSplunk } from '#src/audit/export/sinks.ts';
import { Syslog } from '#src/audit/export/target/syslog.ts';
import { parseVkey } from '#src/audit/tree/note.ts';
import { startSequencer } from '#src/audit/tree/sequencer.ts';
import { openSigner } from '#src/audit/tree/signer.ts';
import { fixedOrigin } from '#src/audit/tree/store.ts';
import { gitPlace, originOf, signerKey } from '#src/config/audit.ts';
import type { AnchorConfig, AuditConfig, Config, ExportConfig } from '#src/config/config.ts';
import type { Core } from './core.ts';

const SIGNER = fileURLToPath(new URL('../src/audit/tree/signer-main.ts', import.meta.url));
const ANCHOR_MS = 60_000;
const packageFile = z.object({ version: z.string() });

/** Puts the records of every gateway into one tree, while no other process does, and has that signed, witnessed and anchored. */
export async function openTree(
  { db, log, onError, config: whole }: Pick<Core, 'db' | 'log' | 'onError' | 'config'>,
  config: AuditConfig,
  opened: AsyncDisposableStack,
): Promise<void> {
  const configured = originOf(whole);
  const origin = await fixedOrigin(db, configured);
  if (origin !== configured)
    log.warn({ origin, configured }, 'the log keeps the origin that it began with');
  const about = await readFile(new URL('../package.json', import.meta.url), 'utf8');
  const { version } = packageFile.parse(JSON.parse(about));
  const sequencer = opened.adopt(
    startSequencer({
      db,
      onError,
      onProblem: (writer, finding) =>
        log.error({ writer, ...finding }, 'a record is not as it was written; its chain ends here'),
      onFlag: (writer, flag) =>
        log.error({ writer, flag }, 'what a writer has signed is not as it should be'),
    }),
    (running) => running.close(),
  );
  opened.adopt(
    startCheckpoints({
      db,
      leading: () => sequencer.leading(),
      openSigner: () =>
        openSigner(signerCommand(config.signer, signerKey(whole), origin), (text) =>
          log.warn({ text }, 'the signer says'),
        ),
      witnesses: config.witnesses.map(({ name, url, key }) => ({
        name,
        url: url.replace(/\/+$/, ''),
        key: parseVkey(key),
      })),
      quorum: config.quorum,
      onError,
    }),
    (running) => running.close(),
  );
  const anchors = config.anchors.flatMap((one) => anchorOf(one, whole) ?? []);
  opened.adopt(startAnchors({ db, anchors, onError }), (running) => running.close());
  opened.adopt(
    startExport({
      db,
      sinks: config.export.map((one) => sinkOf(one, origin)),
      product: { origin, version },
      leading: () => sequencer.leading(),
      onError,
    }),
    (running) => running.close(),
  );
}

/** Where records go; the deliveries of a sink follow each other. */
function sinkOf(config: ExportConfig, origin: string): Sink {
  const { name, since } = config;
  if (config.type === 'file') return { name, since, deliver: toFile(config.path) };
  if (config.type === 'splunk')
    return { name, since, deliver: toSplunk(config.url, config.token, origin) };
  if (config.type === 'otlp') return { name, since, deliver: toOtlp(config.url, config.headers) };
  const { server, ca } = config;
  const syslog = new Syslog({ ...server, ...(ca !== undefined && { ca }) });
  return {
    name,
    since,
    deliver: (events) => syslog.deliver(events),
    close: () => syslog.close(),
  };
}

function signerCommand(
  configured: readonly string[] | undefined,
  key: string,
  origin: string,
): readonly [string, ...string[]] {
  const [program, ...args] = configured ?? [];
  if (program !== undefined) return [program, ...args];
  return [process.execPath, SIGNER, key, join(dirname(key), 'signed'), origin];
}

/** Undefined for chat: that is the bot's. */
function anchorOf(config: AnchorConfig, { dataDir }: Pick<Config, 'dataDir'>): Anchor | undefined {
  const { name: place, everyMs } = config;
  if (config.type === 'chat') return undefined;
  if (config.type === 'command')
    return { place, everyMs, lay: (note) => layByCommand(config.command, note) };
  const git = gitPlace(config, dataDir, 'lay');
  return { place, everyMs, lay: (note) => layInGit(git, note) };
}

function layByCommand(command: string, note: string): Promise<undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn('sh', ['-c', command], {
      stdio: ['pipe', 'ignore', 'pipe'],
      timeout: ANCHOR_MS,
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (said.length < 1_000) said += text;
    });
    child.stdin.on('error', () => undefined).end(note);
    child.on('error', reject).on('close', (code) => {
      if (code === 0) resolve(undefined);
      else reject(new Error(`the command ended with ${code}: ${said.trim().slice(0, 500)}`));
    });
  });
}
