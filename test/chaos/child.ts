import { readFile } from 'node:fs/promises';
import { pino } from 'pino';
import { serve, serveBot } from '#gateway/main.ts';
import { fromJson } from '../fakes/config-json.ts';

// What `countersign serve --only` runs, but with a short lease, so that a run of minutes sees many of them lapse.
const [file = '', part = ''] = process.argv.slice(2);
const config = fromJson(await readFile(file, 'utf8'));
process.on('disconnect', () => process.exit());
const options = {
  log: pino({ level: 'warn' }, pino.destination({ fd: 1, sync: true })),
  takeOver: true,
  lease: { ttlMs: 3_000, graceMs: 1_000 },
};
const running = await (part === 'bot'
  ? serveBot(config, options)
  : serve(config, { ...options, bot: false }));
process.once('SIGTERM', () => void running.stop().finally(() => process.exit()));
void running.lost.then(() => process.exit(1));
