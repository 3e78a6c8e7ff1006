import { readFile } from 'node:fs/promises';
import { pino } from 'pino';
import type { Config } from '#src/config/config.ts';
import { serve } from '#gateway/main.ts';
import type { Orders, Told } from './process.ts';

// A gateway in a process of its own, so that it can be killed at a point that the test names.
const [file = ''] = process.argv.slice(2);
const config = JSON.parse(await readFile(file, 'utf8'), revive) as Config;
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

/** JSON has no maps and no functions. */
function revive(key: string, value: unknown): unknown {
  if (key === 'password') return () => Promise.resolve(value);
  if (value instanceof Object && Object.hasOwn(value, 'map'))
    return new Map((value as { map: [string, unknown][] }).map);
  return value;
}
