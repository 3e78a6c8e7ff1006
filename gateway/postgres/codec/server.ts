import { Reader, cstring, int32, message, uint16, uint32, ProtocolViolation } from './bytes.ts';

/** The first byte of each message that a server sends. */
export const ServerMessage = {
  Authentication: 0x52,
  BackendKeyData: 0x4b,
  BindComplete: 0x32,
  CloseComplete: 0x33,
  CommandComplete: 0x43,
  CopyBothResponse: 0x57,
  CopyData: 0x64,
  CopyDone: 0x63,
  CopyInResponse: 0x47,
  CopyOutResponse: 0x48,
  DataRow: 0x44,
  EmptyQueryResponse: 0x49,
  ErrorResponse: 0x45,
  FunctionCallResponse: 0x56,
  NegotiateProtocolVersion: 0x76,
  NoData: 0x6e,
  NoticeResponse: 0x4e,
  NotificationResponse: 0x41,
  ParameterDescription: 0x74,
  ParameterStatus: 0x53,
  ParseComplete: 0x31,
  PortalSuspended: 0x73,
  ReadyForQuery: 0x5a,
  RowDescription: 0x54,
} as const;

export type TransactionStatus = 'I' | 'T' | 'E';

export type Field = {
  readonly name: string;
  /** 0 when the output is no plain column. */
  readonly tableOid: number;
  readonly attnum: number;
  readonly typeOid: number;
  readonly typeSize: number;
  readonly typeModifier: number;
  /** 0 text, 1 binary; always 0 in the answer to Describe of a statement. */
  readonly format: number;
};

/** Field letter → text: S severity, V the same unlocalised, C SQLSTATE, M message, D detail, H hint, W context, … */
export type ErrorFields = ReadonlyMap<string, string>;

export function parseRowDescription(body: Buffer): Field[] {
  const reader = new Reader(body);
  const fields: Field[] = [];
  for (let left = reader.uint16(); left > 0; left -= 1)
    fields.push({
      name: reader.cstring(),
      tableOid: reader.uint32(),
      attnum: reader.int16(),
      typeOid: reader.uint32(),
      typeSize: reader.int16(),
      typeModifier: reader.int32(),
      format: reader.uint16(),
    });
  reader.end();
  return fields;
}

/** Copies of the cells; null is SQL NULL. For the gateway's own few rows, not for the hot path. */
export function parseDataRow(body: Buffer): (Buffer | null)[] {
  const reader = new Reader(body);
  const cells: (Buffer | null)[] = [];
  for (let left = reader.uint16(); left > 0; left -= 1) {
    const length = reader.int32();
    cells.push(length === -1 ? null : Buffer.from(reader.bytes(length)));
  }
  reader.end();
  return cells;
}

export function parseParameterDescription(body: Buffer): number[] {
  const reader = new Reader(body);
  const types: number[] = [];
  for (let left = reader.uint16(); left > 0; left -= 1) types.push(reader.uint32());
  reader.end();
  return types;
}

/** For ErrorResponse and NoticeResponse. Text is decoded leniently: a server may quote bytes that are no UTF-8. */
export function parseError(body: Buffer): ErrorFields {
  const reader = new Reader(body);
  const fields = new Map<string, string>();
  for (let type = reader.byte(); type !== 0; type = reader.byte())
    fields.set(String.fromCharCode(type), reader.cstringBytes().toString('utf8'));
  reader.end();
  return fields;
}

/** `rows` is the last number of the tag (`INSERT 0 5`, `SELECT 3`), undefined where the tag has none (`BEGIN`). */
export function parseCommandComplete(body: Buffer): { tag: string; rows: number | undefined } {
  const reader = new Reader(body);
  const tag = reader.cstringBytes().toString('utf8');
  reader.end();
  const digits = / (\d+)$/.exec(tag)?.[1];
  return { tag, rows: digits === undefined ? undefined : Number(digits) };
}

export function parseParameterStatus(body: Buffer): { name: string; value: string } {
  const reader = new Reader(body);
  const name = reader.cstringBytes().toString('utf8');
  const value = reader.cstringBytes().toString('utf8');
  reader.end();
  return { name, value };
}

export function parseReadyForQuery(body: Buffer): TransactionStatus {
  const reader = new Reader(body);
  const status = String.fromCharCode(reader.byte());
  reader.end();
  if (status !== 'I' && status !== 'T' && status !== 'E')
    throw new ProtocolViolation('invalid transaction status');
  return status;
}

/** The secret has 4 bytes in protocol 3.0 and up to 256 in 3.2. */
export function parseBackendKeyData(body: Buffer): { pid: number; secret: Buffer } {
  const reader = new Reader(body);
  const pid = reader.int32();
  const secret = Buffer.from(reader.rest());
  if (secret.length < 4 || secret.length > 256)
    throw new ProtocolViolation('invalid length of a cancel key');
  return { pid, secret };
}

/** `kind` as in the manual: 0 ok, 3 clear text, 5 MD5, 10 SASL, 11 SASL continue, 12 SASL final. */
export function parseAuthentication(body: Buffer): { kind: number; data: Buffer } {
  const reader = new Reader(body);
  return { kind: reader.int32(), data: reader.rest() };
}

export function parseSaslMechanisms(data: Buffer): string[] {
  const reader = new Reader(data);
  const names: string[] = [];
  for (let name = reader.cstring(); name !== ''; name = reader.cstring()) names.push(name);
  reader.end();
  return names;
}

export function parseNegotiateProtocolVersion(body: Buffer): {
  minor: number;
  unsupported: string[];
} {
  const reader = new Reader(body);
  const minor = reader.int32() & 0xffff;
  const unsupported: string[] = [];
  for (let left = reader.int32(); left > 0; left -= 1) unsupported.push(reader.cstring());
  reader.end();
  return { minor, unsupported };
}

export function authenticationOk(): Buffer {
  return message(ServerMessage.Authentication, int32(0));
}

export function authenticationSasl(mechanisms: readonly string[]): Buffer {
  return message(
    ServerMessage.Authentication,
    int32(10),
    ...mechanisms.map(cstring),
    Buffer.alloc(1),
  );
}

export function authenticationSaslContinue(data: string): Buffer {
  return message(ServerMessage.Authentication, int32(11), Buffer.from(data));
}

export function authenticationSaslFinal(data: string): Buffer {
  return message(ServerMessage.Authentication, int32(12), Buffer.from(data));
}

/** Offers protocol 3.`minor` and names the `_pq_.` options that are not known. */
export function negotiateProtocolVersion(minor: number, unsupported: readonly string[]): Buffer {
  return message(
    ServerMessage.NegotiateProtocolVersion,
    uint16(3),
    uint16(minor),
    int32(unsupported.length),
    ...unsupported.map(cstring),
  );
}

export function parameterStatus(name: string, value: string): Buffer {
  return message(ServerMessage.ParameterStatus, cstring(name), cstring(value));
}

export function backendKeyData(pid: number, secret: Buffer): Buffer {
  return message(ServerMessage.BackendKeyData, int32(pid), secret);
}

export function readyForQuery(status: TransactionStatus): Buffer {
  return message(ServerMessage.ReadyForQuery, Buffer.from(status));
}

/** Fields in the order of the map; a zero byte in a text becomes U+FFFD. */
export function errorResponse(fields: ErrorFields): Buffer {
  return message(ServerMessage.ErrorResponse, ...errorBody(fields));
}

export function noticeResponse(fields: ErrorFields): Buffer {
  return message(ServerMessage.NoticeResponse, ...errorBody(fields));
}

function errorBody(fields: ErrorFields): Buffer[] {
  const parts = [...fields].map(([type, text]) => cstring(type + text.replaceAll('\0', '\uFFFD')));
  return [...parts, Buffer.alloc(1)];
}

export function commandComplete(tag: string): Buffer {
  return message(ServerMessage.CommandComplete, cstring(tag));
}

export function emptyQueryResponse(): Buffer {
  return message(ServerMessage.EmptyQueryResponse);
}

export function parseComplete(): Buffer {
  return message(ServerMessage.ParseComplete);
}

export function bindComplete(): Buffer {
  return message(ServerMessage.BindComplete);
}

export function closeComplete(): Buffer {
  return message(ServerMessage.CloseComplete);
}

export function noData(): Buffer {
  return message(ServerMessage.NoData);
}

export function parameterDescription(types: readonly number[]): Buffer {
  return message(ServerMessage.ParameterDescription, uint16(types.length), ...types.map(uint32));
}

export function rowDescription(fields: readonly Field[]): Buffer {
  const parts = fields.flatMap((field) => [
    cstring(field.name),
    uint32(field.tableOid),
    uint16(field.attnum & 0xffff),
    uint32(field.typeOid),
    uint16(field.typeSize & 0xffff),
    int32(field.typeModifier),
    uint16(field.format),
  ]);
  return message(ServerMessage.RowDescription, uint16(fields.length), ...parts);
}

export function dataRow(values: readonly (Buffer | null)[]): Buffer {
  const parts = values.flatMap((value) => (value ? [int32(value.length), value] : [int32(-1)]));
  return message(ServerMessage.DataRow, uint16(values.length), ...parts);
}
