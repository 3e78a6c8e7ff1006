import { maskDetectedBytes } from '#src/mask/detect.ts';
import { engine, nativeFailure } from '#src/mask/engine.ts';
import type { Check } from './check.ts';

const MEASURE_MS = 50;
const WARM_UP_MS = 150;

/** What tables and logs hold: mostly nothing to find, sometimes an address or a number. */
const SAMPLE = [
  '  104512 | Fatima Okafor | shipped | 2026-11-20 21:08:29.123456+00 | 199.90',
  '{"level":"info","ts":1763674200,"msg":"retry worker queue index","trace":"9f86d081884c7d659a2feaa0c55ad015","ms":12}',
  '-rw-r--r-- 1 root root   120412 Nov 20 21:08 invoice-9f86d081.tar.gz',
  '3f786850-e387-450f-a36e-7ed6dc881de2,104512,pending,1234.5678,true',
  'the quick order invoice shipped pending customer account balance region status',
  'reported by ann.o@example.com, call +44 20 7946 0123',
].map((line) => Buffer.from(line));

/** Which engine looks for sensitive values, and how many megabytes a second it looks through on one core. */
export function checkDetectors(failure = nativeFailure): readonly Check[] {
  lookFor(WARM_UP_MS);
  const found = `${engine().name}, ${lookFor(MEASURE_MS).toFixed(0)} MB/s`;
  const reason = failure();
  if (reason === undefined) return [{ what: 'detectors', state: 'ok', found }];
  return [
    {
      what: 'detectors',
      state: 'warn',
      found: `${found}; re2 is installed and cannot be loaded: ${reason.split('\n')[0]}`,
      next: 'run npm rebuild re2 with the Node.js 24 of this folder, or remove the package: without it the same is found',
    },
  ];
}

/** Megabytes a second. */
function lookFor(milliseconds: number): number {
  const begun = performance.now();
  let bytes = 0;
  let now = begun;
  while (now - begun < milliseconds) {
    for (const line of SAMPLE) {
      maskDetectedBytes(line);
      bytes += line.length;
    }
    now = performance.now();
  }
  return bytes / 1_000 / (now - begun);
}
