import { connect } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import pg from 'pg';
import type { GatewayAddress } from './connection.ts';
import { EXIT, Failure, type ExitCode } from './failure.ts';
import type { Cell, Column } from './table.ts';
import { printable } from './terminal.ts';
import type { Notice } from './waiting.ts';

export type Result = {
  readonly command: string;
  readonly rowCount: number | undefined;
  /** Empty for a statement that returns no rows. */
  readonly columns: readonly (Column & { readonly type: number })[];
  readonly rows: readonly (readonly Cell[])[];
};

export type Session = {
  /** One string, as one unit; resolves with one result a statement. Rejects with `Failure`. */
  run(sql: string): Promise<readonly Result[]>;
  /** Asks the gateway to stop what runs or waits; the running promise then rejects. */
  cancel(): void;
  close(): Promise<void>;
};

export type SessionOptions = {
  readonly address: GatewayAddress;
  /** `<target>` or `<target>/<database>`. */
  readonly target: string;
  readonly ssl: false | ConnectionOptions;
  readonly settings: Readonly<Record<string, string>>;
  readonly onNotice: (notice: Notice) => void;
};

/** int2, int4, int8, oid, float4, float8, money, numeric. */
const NUMERIC = new Set([20, 21, 23, 26, 700, 701, 790, 1700]);
const asText = { getTypeParser: () => (value: string | Buffer) => value.toString() };

/** Connects as any PostgreSQL client would. Rejects with `Failure`. */
export async function openSession(options: SessionOptions): Promise<Session> {
  const { address } = options;
  const client = new pg.Client({
    host: address.host,
    port: address.port,
    user: address.user,
    password: address.token,
    database: options.target,
    ssl: options.ssl,
    application_name: 'countersign query',
    options: startupOptions(options.settings),
    connectionTimeoutMillis: 15_000,
    keepAlive: true,
    types: asText,
  });
  let cancelled = false;
  client.on('notice', options.onNotice);
  // A line that breaks while nothing runs is reported by the next statement.
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    throw describe(error, address, cancelled);
  }
  return {
    async run(sql) {
      try {
        const answer = await client.query<Cell[]>({ text: sql, rowMode: 'array' });
        return (Array.isArray(answer) ? answer : [answer]).map(toResult);
      } catch (error) {
        throw describe(error, address, cancelled);
      }
    },
    cancel() {
      cancelled = true;
      cancelRequest(client, address);
    },
    async close() {
      await client.end();
    },
  };
}

/** Settings as `-c name=value`, with what libpq's `options` needs escaped. */
export function startupOptions(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${value.replace(/[\\\s]/g, (c) => `\\${c}`)}`)
    .join(' ');
}

function toResult(answer: pg.QueryArrayResult<Cell[]>): Result {
  return {
    command: answer.command,
    rowCount: answer.rowCount ?? undefined,
    columns: answer.fields.map((field) => ({
      name: field.name,
      type: field.dataTypeID,
      numeric: NUMERIC.has(field.dataTypeID),
    })),
    rows: answer.rows,
  };
}

/** CancelRequest on a connection of its own, as the protocol has it; node-postgres has no public call for it. */
function cancelRequest(client: pg.Client, address: GatewayAddress): void {
  const pid: unknown = Reflect.get(client, 'processID');
  const key: unknown = Reflect.get(client, 'secretKey');
  if (typeof pid !== 'number' || typeof key !== 'number') return;
  const message = Buffer.alloc(16);
  for (const [i, value] of [16, 80877102, pid, key].entries()) message.writeInt32BE(value, i * 4);
  const socket = connect(address.port, address.host, () => socket.end(message));
  socket.on('error', () => undefined);
  socket.unref();
}

/** What went wrong, with the exit code a script can tell endings apart by. */
export function describe(error: unknown, address: GatewayAddress, cancelled: boolean): Failure {
  if (error instanceof pg.DatabaseError) {
    const lines = [error.detail, error.hint].flatMap((text) => (text ? [printable(text)] : []));
    return new Failure(printable(error.message.replace(/^countersign: /, '')), {
      exit: exitOf(error, cancelled),
      ...(lines.length > 0 && { hint: lines.join('\n  ') }),
      cause: error,
    });
  }
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const at = `${address.host}:${address.port}`;
  if (code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'EHOSTUNREACH')
    return new Failure(`no gateway answers at ${at}`, {
      hint: 'start one with npm start or countersign serve, or name it with --host and --port',
      cause: error,
    });
  if (cancelled) return new Failure('withdrawn', { exit: EXIT.ended, cause: error });
  const message = error instanceof Error ? error.message : String(error);
  return new Failure(`${message} (${at})`, { cause: error });
}

function exitOf(error: pg.DatabaseError, cancelled: boolean): ExitCode {
  const ours = error.message.startsWith('countersign: ');
  if (error.code === '57014') return ours || cancelled ? EXIT.ended : EXIT.failed;
  if (!ours) return EXIT.failed;
  if (error.code === '57P01') return EXIT.ended;
  // A statement that does not parse or names nothing fails, as it would without us; 40001 is worth another try.
  const decided = error.code === '42501' || error.code === '0A000';
  return decided && /^(?:Refused|Held) by rule /.test(error.detail ?? '')
    ? EXIT.refused
    : EXIT.failed;
}
