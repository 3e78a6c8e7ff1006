import { parseDate, parseTimestamp, printDate, printTimestamp } from './time.ts';
import type { Form } from './types.ts';

// Binary forms: src/backend/utils/adt/*.c, the functions …_send and …_recv. Dates count from 2000-01-01.
const EPOCH_DAYS = 10_957;
const EPOCH_MICROS = BigInt(EPOCH_DAYS) * 86_400_000_000n;
const JSONB_VERSION = 1;

/** The text form of a binary value; undefined where it has none that masks know (infinity, NaN, years beyond 9999). */
export function fromBinary(form: Form, cell: Buffer): string | undefined {
  const size = sizes[form];
  if (size !== undefined && cell.length !== size) return undefined;
  return readers[form](cell);
}

/** The binary form of a text that is valid for the type. */
export function toBinary(form: Form, text: string): Buffer | undefined {
  return writers[form](text);
}

const sizes: Partial<Record<Form, number>> = {
  bool: 1,
  int2: 2,
  int4: 4,
  int8: 8,
  float4: 4,
  float8: 8,
  uuid: 16,
  date: 4,
  timestamp: 8,
  timestamptz: 8,
};

const utf8 = (cell: Buffer): string => cell.toString();
const bytes = (text: string): Buffer => Buffer.from(text);
const finite = (value: number): string | undefined =>
  Number.isFinite(value) ? String(value) : undefined;

const readers: Record<Form, (cell: Buffer) => string | undefined> = {
  text: utf8,
  bpchar: utf8,
  json: utf8,
  jsonb: (cell) => (cell[0] === JSONB_VERSION ? cell.toString('utf8', 1) : undefined),
  bool: (cell) => (cell[0] === 0 ? 'f' : 't'),
  int2: (cell) => String(cell.readInt16BE()),
  int4: (cell) => String(cell.readInt32BE()),
  int8: (cell) => String(cell.readBigInt64BE()),
  float4: (cell) => finite(cell.readFloatBE()),
  float8: (cell) => finite(cell.readDoubleBE()),
  numeric: readNumeric,
  uuid: (cell) => printUuid(cell),
  date: (cell) => printDate(cell.readInt32BE() + EPOCH_DAYS),
  timestamp: (cell) => printTimestamp(cell.readBigInt64BE() + EPOCH_MICROS, false),
  timestamptz: (cell) => printTimestamp(cell.readBigInt64BE() + EPOCH_MICROS, true),
  bytea: (cell) => `\\x${cell.toString('hex')}`,
};

const writers: Record<Form, (text: string) => Buffer | undefined> = {
  text: bytes,
  bpchar: bytes,
  json: bytes,
  jsonb: (text) => Buffer.concat([Buffer.of(JSONB_VERSION), bytes(text)]),
  bool: (text) => Buffer.of(text === 't' ? 1 : 0),
  int2: (text) => sized(2, (to) => to.writeInt16BE(Number(text))),
  int4: (text) => sized(4, (to) => to.writeInt32BE(Number(text))),
  int8: (text) => sized(8, (to) => to.writeBigInt64BE(BigInt(text))),
  float4: (text) => sized(4, (to) => to.writeFloatBE(Number(text))),
  float8: (text) => sized(8, (to) => to.writeDoubleBE(Number(text))),
  numeric: writeNumeric,
  uuid: (text) => Buffer.from(text.replaceAll('-', ''), 'hex'),
  date: (text) => days(parseDate(text)),
  timestamp: (text) => micros(parseTimestamp(text)),
  timestamptz: (text) => micros(parseTimestamp(text)),
  bytea: (text) => Buffer.from(text.slice(2), 'hex'),
};

function sized(size: number, write: (to: Buffer) => void): Buffer {
  const buffer = Buffer.alloc(size);
  write(buffer);
  return buffer;
}

const days = (value: number | undefined): Buffer | undefined =>
  value === undefined ? undefined : sized(4, (to) => to.writeInt32BE(value - EPOCH_DAYS));
const micros = (value: bigint | undefined): Buffer | undefined =>
  value === undefined ? undefined : sized(8, (to) => to.writeBigInt64BE(value - EPOCH_MICROS));

export function printUuid(bytesOf: Buffer): string {
  const hex = bytesOf.toString('hex', 0, 16);
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20)];
  return `${parts.join('-')}-${hex.slice(20)}`;
}

const NUMERIC_NEGATIVE = 0x4000;

/** numeric_send: number of digits to the base 10,000, weight of the first, sign, digits behind the point to show. */
function readNumeric(cell: Buffer): string | undefined {
  if (cell.length < 8) return undefined;
  const count = cell.readInt16BE(0);
  const weight = cell.readInt16BE(2);
  const sign = cell.readUInt16BE(4);
  const scale = cell.readInt16BE(6);
  if (cell.length !== 8 + 2 * count || (sign !== 0 && sign !== NUMERIC_NEGATIVE)) return undefined;
  const group = (at: number): string => {
    const inside = at >= 0 && at < count;
    return String(inside ? cell.readInt16BE(8 + 2 * at) : 0).padStart(4, '0');
  };
  let whole = '';
  for (let at = 0; at <= weight; at += 1) whole += group(at);
  let behind = '';
  for (let at = weight + 1; behind.length < scale; at += 1) behind += group(at);
  const shown = whole.replace(/^0+(?=\d)/, '') || '0';
  const text = scale > 0 ? `${shown}.${behind.slice(0, scale)}` : shown;
  return sign === NUMERIC_NEGATIVE ? `-${text}` : text;
}

function writeNumeric(text: string): Buffer {
  const [, sign, whole = '', behind = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text) ?? [];
  const before = whole.padStart(Math.ceil(whole.length / 4) * 4, '0');
  const after = behind.padEnd(Math.ceil(behind.length / 4) * 4, '0');
  const groups = (before + after).match(/.{4}/g)?.map(Number) ?? [];
  let weight = before.length / 4 - 1;
  while (groups.length > 0 && groups[0] === 0) {
    groups.shift();
    weight -= 1;
  }
  while (groups.at(-1) === 0) groups.pop();
  const buffer = Buffer.alloc(8 + 2 * groups.length);
  buffer.writeInt16BE(groups.length, 0);
  buffer.writeInt16BE(groups.length === 0 ? 0 : weight, 2);
  buffer.writeUInt16BE(sign === '-' ? NUMERIC_NEGATIVE : 0, 4);
  buffer.writeInt16BE(behind.length, 6);
  for (const [i, group] of groups.entries()) buffer.writeInt16BE(group, 8 + 2 * i);
  return buffer;
}
