import { type DestinationStream, pino } from 'pino';
import { printable, type Terminal } from './terminal.ts';

const LEVELS: ReadonlyMap<number, readonly [string, 'dim' | 'green' | 'yellow' | 'red']> = new Map([
  [10, ['trace', 'dim']],
  [20, ['debug', 'dim']],
  [30, ['info', 'green']],
  [40, ['warn', 'yellow']],
  [50, ['error', 'red']],
  [60, ['fatal', 'red']],
]);

/** Lines that wait for a disk or a reader; what is more than this is dropped. */
const WAITING_BYTES = 1024 * 1024;

/** JSON lines to a file or a file descriptor. A full disk loses lines; it must not end the gateway. */
export function logTo(dest: string | number): DestinationStream {
  const file = pino.destination({ dest, mode: 0o600, maxLength: WAITING_BYTES });
  file.on('error', () => undefined);
  return file;
}

/** The log as one readable line an entry, for a person at a terminal. */
export function prettyLog(terminal: Terminal): DestinationStream {
  return { write: (line) => terminal.out(prettyLine(line, terminal)) };
}

/** `21:45:10 info  listening port=6432`; a line that is not an entry goes through as it is. */
export function prettyLine(line: string, terminal: Pick<Terminal, 'paint'>): string {
  const entry = parsed(line);
  if (!entry) return line.trimEnd();
  const { level, time, msg, err, ...rest } = entry;
  const [name, style] = LEVELS.get(Number(level)) ?? ['log', 'dim'];
  const clock = new Date(Number(time)).toISOString().slice(11, 19);
  const facts = Object.entries(rest).map(([key, value]) => `${key}=${short(value)}`);
  const words = [typeof msg === 'string' ? printable(msg) : '', errorText(err), facts.join(' ')];
  const text = words.filter((word) => word !== '').join(' ');
  return `${terminal.paint('dim', clock)} ${terminal.paint(style, name.padEnd(5))} ${text}`;
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

/** `ECONNREFUSED connect …`, with what caused it. */
function errorText(err: unknown): string {
  if (typeof err !== 'object' || err === null) return '';
  const facts: Readonly<Record<string, unknown>> = { ...err };
  const words = [facts['code'], facts['message']].filter((word) => typeof word === 'string');
  const cause = errorText(facts['cause']);
  return printable(`${words.join(' ')}${cause && `, because of ${cause}`}`);
}

function short(value: unknown): string {
  return printable(typeof value === 'string' ? value : JSON.stringify(value));
}
