import { createHash } from 'node:crypto';
import { defaultKinds } from '#src/mask/detect.ts';
import { Detector } from '#src/mask/detector.ts';
import { rules } from '#src/mask/detectors/all.ts';
import { type Engine, native, portable } from '#src/mask/engine.ts';

export type Detecting = {
  readonly engine: Engine['name'];
  /** Of one core's time, so that other work beside it counts for little. */
  readonly megabytesPerSecond: number;
  /** Lines in which something was found: the same for every engine. */
  readonly found: number;
};

const LINES = 60_000;
/** More than a line has. */
const MOST_PLACES = 1_000;
const ROUNDS = 3;

/** How fast each engine that is there looks through mixed lines: rows, JSON logs, files, prose; a fifth with something to find. */
export function measureDetectors(count = LINES): Detecting[] {
  const lines = Array.from({ length: count }, (_, index) => Buffer.from(line(index)));
  const other = native();
  return [portable, ...(other ? [other] : [])].map((engine) => measure(engine, lines));
}

function measure(engine: Engine, lines: readonly Buffer[]): Detecting {
  const detector = new Detector(
    rules.filter(({ kind }) => defaultKinds.has(kind)),
    engine,
  );
  const bytes = lines.reduce((sum, { length }) => sum + length, 0);
  let best = 0;
  let found = 0;
  // The first round compiles.
  for (let round = 0; round <= ROUNDS; round += 1) {
    const before = process.cpuUsage();
    found = lines.filter((cell) => holds(detector, cell)).length;
    const { user, system } = process.cpuUsage(before);
    if (round > 0) best = Math.max(best, bytes / (user + system));
  }
  return { engine: engine.name, megabytesPerSecond: best, found };
}

function holds(detector: Detector, cell: Buffer): boolean {
  const bytes = detector.look(cell);
  if (!bytes) return false;
  const text = cell.toString();
  const places = bytes.ascii ? bytes : detector.places(text);
  return places !== undefined && detector.find(text, places, MOST_PLACES)?.length !== 0;
}

const WORDS =
  'the quick order invoice shipped pending customer account balance region status updated request timeout retry worker queue index'.split(
    ' ',
  );
const NAMES = ['James Smith', 'Wei Chen', 'Jürgen Müller', 'Łukasz Nowak', 'Ana Silva'];

/** The same line for the same number. */
function line(index: number): string {
  const hash = createHash('md5').update(String(index)).digest('hex');
  const number = Number.parseInt(hash.slice(0, 8), 16);
  const words = Array.from({ length: 10 }, (_, at) => WORDS[(number >> at) % WORDS.length]).join(
    ' ',
  );
  const name = NAMES[number % NAMES.length];
  switch (index % 5) {
    case 0:
      return ` ${number} | ${name} | person${number % 99}@example.com | ${123 + (number % 400)}-45-6789 | 2026-11-20 21:08:29+00 | ${number / 100}`;
    case 1:
      return `{"level":"info","ts":17${number % 1e8},"msg":"${words}","trace":"${hash}","ms":${number % 900}}`;
    case 2:
      return `-rw-r--r-- 1 root root ${number} Nov 20 21:08 ${WORDS[number % 16]}-${hash.slice(0, 8)}.tar.gz`;
    case 3:
      return `10.${number % 255}.${index % 255}.9 - - [20/Nov/2026:21:08:29 +0000] "GET /${words.slice(0, 9)}/${index} HTTP/1.1" 200 ${number} "-" "Mozilla/5.0"`;
    default:
      return words;
  }
}
