import {
  Reader,
  cstring,
  int32,
  message,
  uint16,
  uint32,
  untyped,
  ProtocolViolation,
} from './bytes.ts';

/** The first byte of each message that a client sends. */
export const ClientMessage = {
  Bind: 0x42,
  Close: 0x43,
  CopyData: 0x64,
  CopyDone: 0x63,
  CopyFail: 0x66,
  Describe: 0x44,
  Execute: 0x45,
  Flush: 0x48,
  FunctionCall: 0x46,
  Parse: 0x50,
  Password: 0x70,
  Query: 0x51,
  Sync: 0x53,
  Terminate: 0x58,
} as const;

/** Request codes that stand where a startup packet has its protocol version. */
export const RequestCode = { Cancel: 80877102, Ssl: 80877103, Gssenc: 80877104 } as const;

export type Parse = {
  readonly name: string;
  readonly text: string;
  /** Type OIDs; 0 means unspecified; there may be fewer than parameters. */
  readonly types: readonly number[];
};
export type Bind = {
  readonly portal: string;
  readonly statement: string;
  /** 0 text, 1 binary; none, one for all, or one a value. */
  readonly formats: readonly number[];
  /** Views into the message; null is SQL NULL. */
  readonly values: readonly (Buffer | null)[];
  readonly resultFormats: readonly number[];
};
/** `S` a prepared statement, `P` a portal. */
export type Named = { readonly kind: 'S' | 'P'; readonly name: string };
export type Execute = { readonly portal: string; /** 0 is no limit. */ readonly maxRows: number };

// NAMEDATALEN - 1
const LONGEST_NAME = 63;

/** Of a longer name, PostgreSQL compares only the first bytes: two of them could be one statement there. */
function nameFrom(reader: Reader): string {
  const name = reader.cstring();
  // At most as many characters as bytes, so that short names need no counting.
  if (name.length * 3 > LONGEST_NAME && Buffer.byteLength(name) > LONGEST_NAME)
    throw new ProtocolViolation(
      `the name of a prepared statement or portal is longer than ${String(LONGEST_NAME)} bytes`,
      '42622',
    );
  return name;
}

export function parseQuery(body: Buffer): string {
  const reader = new Reader(body);
  const text = reader.cstring();
  reader.end();
  return text;
}

export function parseParse(body: Buffer): Parse {
  const reader = new Reader(body);
  const name = nameFrom(reader);
  const text = reader.cstring();
  const types = list(reader, () => reader.uint32());
  reader.end();
  return { name, text, types };
}

export function parseBind(body: Buffer): Bind {
  const reader = new Reader(body);
  const portal = nameFrom(reader);
  const statement = nameFrom(reader);
  const formats = list(reader, () => format(reader));
  const values = list(reader, () => {
    const length = reader.int32();
    return length === -1 ? null : reader.bytes(length);
  });
  if (formats.length > 1 && formats.length !== values.length)
    throw new ProtocolViolation(
      `bind message has ${String(formats.length)} parameter formats but ${String(values.length)} parameters`,
    );
  const resultFormats = list(reader, () => format(reader));
  reader.end();
  return { portal, statement, formats, values, resultFormats };
}

/** Describe and Close have one form. */
export function parseNamed(body: Buffer): Named {
  const reader = new Reader(body);
  const kind = reader.byte();
  if (kind !== 0x53 && kind !== 0x50)
    throw new ProtocolViolation(`invalid DESCRIBE or CLOSE message subtype ${String(kind)}`);
  const name = nameFrom(reader);
  reader.end();
  return { kind: kind === 0x53 ? 'S' : 'P', name };
}

export function parseExecute(body: Buffer): Execute {
  const reader = new Reader(body);
  const portal = nameFrom(reader);
  const maxRows = reader.int32();
  reader.end();
  // PostgreSQL takes any number that is not positive as "all rows".
  return { portal, maxRows: Math.max(0, maxRows) };
}

/** The startup packet behind its protocol version: `user`, `database`, `options` and settings. The last of a name counts. */
export function parseStartup(body: Buffer): Map<string, string> {
  const reader = new Reader(body);
  const parameters = new Map<string, string>();
  for (let name = reader.cstring(); name !== ''; name = reader.cstring())
    parameters.set(name, reader.cstring());
  reader.end();
  return parameters;
}

export type SaslInitialResponse = { readonly mechanism: string; readonly data: string };
export function parseSaslInitialResponse(body: Buffer): SaslInitialResponse {
  const reader = new Reader(body);
  const mechanism = reader.cstring();
  const length = reader.int32();
  const data = length === -1 ? '' : reader.bytes(length).toString('utf8');
  reader.end();
  return { mechanism, data };
}

function list<Item>(reader: Reader, read: () => Item): Item[] {
  const items: Item[] = [];
  for (let left = reader.uint16(); left > 0; left -= 1) items.push(read());
  return items;
}

function format(reader: Reader): number {
  const code = reader.uint16();
  if (code > 1) throw new ProtocolViolation(`unsupported format code: ${String(code)}`, '22023');
  return code;
}

/** Protocol 3.`minor`; `user` and the other parameters in the order of the map. */
export function startupMessage(parameters: ReadonlyMap<string, string>, minor = 0): Buffer {
  const pairs = [...parameters].flatMap(([name, value]) => [cstring(name), cstring(value)]);
  return untyped(uint16(3), uint16(minor), ...pairs, Buffer.alloc(1));
}

export function sslRequest(): Buffer {
  return untyped(int32(RequestCode.Ssl));
}

export function gssencRequest(): Buffer {
  return untyped(int32(RequestCode.Gssenc));
}

export function cancelRequest(pid: number, secret: Buffer): Buffer {
  return untyped(int32(RequestCode.Cancel), int32(pid), secret);
}

export function saslInitialResponse(mechanism: string, data: string): Buffer {
  const bytes = Buffer.from(data);
  return message(ClientMessage.Password, cstring(mechanism), int32(bytes.length), bytes);
}

export function passwordMessage(password: string): Buffer {
  return message(ClientMessage.Password, cstring(password));
}

export function saslResponse(data: string): Buffer {
  return message(ClientMessage.Password, Buffer.from(data));
}

export function query(text: string): Buffer {
  return message(ClientMessage.Query, cstring(text));
}

export function parse(name: string, text: string, types: readonly number[] = []): Buffer {
  return message(
    ClientMessage.Parse,
    cstring(name),
    cstring(text),
    uint16(types.length),
    ...types.map(uint32),
  );
}

export function bind(bound: Bind): Buffer {
  return message(
    ClientMessage.Bind,
    cstring(bound.portal),
    cstring(bound.statement),
    uint16(bound.formats.length),
    ...bound.formats.map(uint16),
    uint16(bound.values.length),
    ...bound.values.flatMap((value) => (value ? [int32(value.length), value] : [int32(-1)])),
    uint16(bound.resultFormats.length),
    ...bound.resultFormats.map(uint16),
  );
}

export function describe(kind: 'S' | 'P', name: string): Buffer {
  return message(ClientMessage.Describe, Buffer.from(kind), cstring(name));
}

export function close(kind: 'S' | 'P', name: string): Buffer {
  return message(ClientMessage.Close, Buffer.from(kind), cstring(name));
}

export function execute(portal: string, maxRows = 0): Buffer {
  return message(ClientMessage.Execute, cstring(portal), int32(maxRows));
}

export function sync(): Buffer {
  return message(ClientMessage.Sync);
}

export function flush(): Buffer {
  return message(ClientMessage.Flush);
}

export function terminate(): Buffer {
  return message(ClientMessage.Terminate);
}

export function copyFail(reason: string): Buffer {
  return message(ClientMessage.CopyFail, cstring(reason));
}
