import { readFile } from 'node:fs/promises';
import { pino } from 'pino';
import { serve } from '#gateway/main.ts';
import { fromJson } from '../fakes/config-json.ts';

// One gateway, as `countersign serve` runs it, but with a short lease, so that a run of minutes sees many of them lapse.
const config = fromJson(await readFile(process.argv[2] ?? '', 'utf8'));
process.on('disconnect', () => process.exit());
const running = await serve(config, {
  log: pino({ level: 'warn' }, pino.destination({ fd: 1, sync: true })),
  takeOver: true,
  lease: { ttlMs: 3_000, graceMs: 1_000 },
});
process.once('SIGTERM', () => void running.stop().finally(() => process.exit()));
void running.lost.then(() => process.exit(1));
