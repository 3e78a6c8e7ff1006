import { readFile } from 'node:fs/promises';
import { pino } from 'pino';
import { serve } from '#gateway/main.ts';
import { fromJson } from '../fakes/config-json.ts';
import type { Orders, Told } from './process.ts';

// A gateway in a process of its own, so that it can be killed at a point that the test names.
const [file = ''] = process.argv.slice(2);
const config = fromJson(await readFile(file, 'utf8'));
const tell = (told: Told): void => void process.send?.(told);

let orders: Orders = {};
let met = 0;
process.on('message', (message: Orders) => {
  orders = message;
  met = 0;
  tell('ordered');
});
process.on('disconnect', () => process.exit());

await serve(config, {
  log: pino({ level: 'warn' }, pino.destination(2)),
  takeOver: true,
  failpoint: async (point, kinds) => {
    if (orders.point !== point) return;
    met += kinds.filter((kind) => kind === orders.kind).length;
    if (orders.kind === undefined || met < (orders.nth ?? 1)) return;
    tell('reached');
    // The test kills this process here; nothing after this line ever happens.
    await new Promise(() => undefined);
  },
});
tell('ready');
