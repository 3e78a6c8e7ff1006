import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { text } from 'node:stream/consumers';
import type { ConnectionOptions } from 'node:tls';
import { commandEnvironment } from '#src/config/env.ts';
import { parse, type Command, type Options } from './command.ts';
import { gatewayAddress, IDENTITY_OPTIONS, readDemo, storedLogin } from './connection.ts';
import { EXIT, usageFailure } from './failure.ts';
import { openSession, type Result } from './session.ts';
import { renderCsv, renderTable } from './table.ts';
import type { Terminal } from './terminal.ts';
import { Waiting } from './waiting.ts';

const OPTIONS = {
  ...IDENTITY_OPTIONS,
  host: {
    type: 'string',
    value: 'HOST',
    about: 'gateway (default 127.0.0.1, or what the demo wrote)',
  },
  port: { type: 'string', value: 'PORT', about: 'its port for PostgreSQL (default 6432)' },
  tls: {
    type: 'string',
    value: 'MODE',
    about: 'disable, require or verify-full (default: verify-full, and disable on this machine)',
  },
  ca: { type: 'string', value: 'FILE', about: 'certificate authority to trust, PEM' },
  reason: {
    type: 'string',
    value: 'TEXT',
    about: 'why; approvers read it, and rules may ask for it',
  },
  purpose: { type: 'string', value: 'TEXT', about: 'purpose that rules may ask about' },
  json: { type: 'boolean', about: 'print rows as JSON: an array of objects' },
  csv: { type: 'boolean', about: 'print rows as CSV' },
} as const satisfies Options;

export const queryCommand: Command = {
  usage: ['query TARGET[/DATABASE] [SQL …] [options]', 'query TARGET < file.sql'],
  about:
    'Runs SQL through the gateway. A statement that a rule holds waits until somebody decides; Ctrl-C withdraws it.\n' +
    'Each SQL argument is one unit, and so is everything read from standard input.',
  options: OPTIONS,
  examples: [
    'countersign query shop "select id, email from customers limit 5"',
    `countersign query shop --reason "ticket 4711" "update orders set status = 'refunded' where id = 42"`,
    'countersign query shop --as security --json "select count(*) from orders"',
  ],
  run: query,
};

async function query(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS);
  const [target, ...given] = positionals;
  if (target === undefined)
    throw usageFailure('which target?', 'countersign query shop "select 1"');
  if (values.json && values.csv) throw usageFailure('--json and --csv exclude each other');
  const demo = await readDemo();
  const login = await storedLogin(values, demo);
  const address = gatewayAddress(values, demo, commandEnvironment(), login);
  const ssl = await tlsOptions(values.tls, values.ca, address.host);
  const units = given.length > 0 ? given : [await fromStdin()];
  const waiting = new Waiting(terminal);
  const session = await openSession({
    address,
    target,
    ssl,
    settings: settingsOf(values),
    onNotice: (notice) => waiting.show(notice),
  });
  const interrupt = interrupts(() => session.cancel(), terminal);
  try {
    const results: Result[] = [];
    for (const sql of units) {
      const answer = await session.run(sql);
      waiting.stop();
      if (values.json) results.push(...answer);
      else for (const result of answer) print(result, values.csv === true, terminal);
    }
    if (values.json) terminal.out(jsonText(results));
    return EXIT.done;
  } finally {
    waiting.stop();
    interrupt.dispose();
    await session.close();
  }
}

function settingsOf(values: { reason?: string | undefined; purpose?: string | undefined }) {
  return {
    ...(values.reason !== undefined && { 'countersign.reason': values.reason }),
    ...(values.purpose !== undefined && { 'countersign.purpose': values.purpose }),
  };
}

async function fromStdin(): Promise<string> {
  if (process.stdin.isTTY)
    throw usageFailure('no SQL', 'give it as an argument or on standard input');
  const sql = await text(process.stdin);
  if (sql.trim() === '') throw usageFailure('no SQL on standard input');
  return sql;
}

/** The first Ctrl-C withdraws; a second one does not wait for the answer. */
function interrupts(cancel: () => void, terminal: Terminal): { dispose(): void } {
  let asked = false;
  const onSignal = (): void => {
    if (asked) process.exit(EXIT.ended);
    asked = true;
    terminal.err('withdrawing; press Ctrl-C again to leave at once');
    cancel();
  };
  // The launcher ends the channel when it dies itself.
  const events = ['SIGINT', 'SIGTERM', 'disconnect'] as const;
  for (const event of events) process.on(event, onSignal);
  return {
    dispose() {
      for (const event of events) process.off(event, onSignal);
    },
  };
}

/** Safe unless told otherwise: beyond this machine the gateway must prove who it is. */
export async function tlsOptions(
  mode: string | undefined,
  ca: string | undefined,
  host: string,
): Promise<false | ConnectionOptions> {
  const trusted = ca === undefined ? {} : { ca: await readCa(ca) };
  const name = isIP(host) === 0 ? { servername: host } : {};
  switch (mode ?? (isLocal(host) && ca === undefined ? 'disable' : 'verify-full')) {
    case 'disable':
      return false;
    case 'require':
      return { ...name, rejectUnauthorized: false };
    case 'verify-full':
      return { ...name, ...trusted, rejectUnauthorized: true };
    default:
      throw usageFailure(`--tls ${mode} is unknown`, 'it is disable, require or verify-full');
  }
}

async function readCa(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    throw usageFailure(`--ca ${path} cannot be read`);
  }
}

const isLocal = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));

function print(result: Result, csv: boolean, terminal: Terminal): void {
  if (result.columns.length === 0) {
    const count = result.rowCount === undefined ? '' : ` ${result.rowCount}`;
    const line = `${result.command}${count}`;
    if (csv) terminal.err(line);
    else terminal.out(line);
    return;
  }
  const style = {
    width: terminal.width,
    head: (name: string) => terminal.paint('bold', name),
    none: (none: string) => terminal.paint('dim', none),
  };
  const lines = csv
    ? renderCsv(result.columns, result.rows)
    : renderTable(result.columns, result.rows, style);
  for (const line of lines) terminal.out(line);
  if (!csv) terminal.out(`(${result.rows.length} ${result.rows.length === 1 ? 'row' : 'rows'})\n`);
}

/** One statement: its rows. Several: an array with each one's rows. Without rows: `{ "command", "rows" }`. */
export function jsonText(results: readonly Result[]): string {
  const values = results.map((result) =>
    result.columns.length === 0
      ? { command: result.command, rows: result.rowCount ?? null }
      : result.rows.map((row) => jsonRow(result, row)),
  );
  return JSON.stringify(values.length === 1 ? values[0] : values, undefined, 2);
}

function jsonRow(result: Result, row: readonly (string | null)[]): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (const [i, column] of result.columns.entries()) {
    // Two columns may share a name; neither may hide the other.
    let name = column.name;
    for (let n = 2; Object.hasOwn(object, name); n++) name = `${column.name}_${n}`;
    Object.defineProperty(object, name, {
      value: jsonValue(row[i] ?? null, column),
      enumerable: true,
    });
  }
  return object;
}

const BOOL = 16;
const JSON_TYPES = new Set([114, 3802]);
/** numeric and money: one type must not be text in one row and a number in the next. */
const EXACT = new Set([790, 1700]);

/** A number that JSON cannot hold exactly stays text. */
function jsonValue(cell: string | null, column: Result['columns'][number]): unknown {
  if (cell === null) return null;
  if (column.type === BOOL && (cell === 't' || cell === 'f')) return cell === 't';
  if (column.numeric && !EXACT.has(column.type) && String(Number(cell)) === cell)
    return Number.isFinite(Number(cell)) ? Number(cell) : cell;
  return JSON_TYPES.has(column.type) ? parsed(cell) : cell;
}

/** A masked value in a JSON column need not be JSON. */
function parsed(cell: string): unknown {
  try {
    return JSON.parse(cell);
  } catch {
    return cell;
  }
}
