import { detect } from '#src/mask/detect.ts';
import { HIDDEN } from '#src/recording/clean.ts';
import type { Field } from './codec.ts';
import { textOf } from './parameter.ts';

type Typed = Pick<Field, 'typeOid' | 'format'>;
type Read = (value: Buffer) => string | undefined;

const JSON_TYPES: ReadonlySet<number> = new Set([114, 3802]);
const DAY_MS = 86_400_000;
const YEAR_2000 = Date.UTC(2000, 0, 1);

/** Binary forms that `textOf` does not read, by type OID; see the `send` function of each type. */
const BINARY: ReadonlyMap<number, Read> = new Map<number, Read>([
  [17, (value) => `\\x${value.toString('hex')}`],
  [26, (value) => (value.length === 4 ? String(value.readUInt32BE()) : undefined)],
  [1082, (value) => (value.length === 4 ? day(value.readInt32BE()) : undefined)],
  [1114, (value) => (value.length === 8 ? moment(value.readBigInt64BE()) : undefined)],
  [1184, (value) => (value.length === 8 ? moment(value.readBigInt64BE(), '+00') : undefined)],
  [1700, numeric],
]);

/** A cell as people read it. Of a binary form that is not known here: its bytes in hexadecimal, unless they hold something. */
export function cellText(value: Buffer, field: Typed | undefined): string {
  if (!field || field.format === 0) return value.toString('utf8');
  const { typeOid } = field;
  if (JSON_TYPES.has(typeOid)) return value.toString('utf8', typeOid === 3802 ? 1 : 0);
  const known = textOf(value, 1, typeOid) ?? BINARY.get(typeOid)?.(value);
  if (known !== undefined) return known;
  // Detectors read text, and would not see what is between other bytes.
  return detect(value.toString('latin1')) ? HIDDEN : `\\x${value.toString('hex')}`;
}

function day(days: number): string | undefined {
  const at = new Date(YEAR_2000 + days * DAY_MS);
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString().slice(0, 10);
}

function moment(micros: bigint, zone = ''): string | undefined {
  const at = new Date(YEAR_2000 + Number(micros / 1000n));
  if (Number.isNaN(at.getTime())) return undefined;
  return `${at.toISOString().replace('T', ' ').replace('Z', '')}${zone}`;
}

const NEGATIVE = 0x4000;

/** numeric_send: digits of base 10,000, the weight of the first, sign, digits after the point. */
function numeric(value: Buffer): string | undefined {
  if (value.length < 8 || value.length !== 8 + 2 * value.readUInt16BE()) return undefined;
  const [weight, sign, scale] = [
    value.readInt16BE(2),
    value.readUInt16BE(4),
    value.readUInt16BE(6),
  ];
  if (sign !== 0 && sign !== NEGATIVE) return 'NaN';
  const digitAt = (place: number): number => {
    const at = 8 + 2 * (weight - place);
    return at >= 8 && at < value.length ? value.readUInt16BE(at) : 0;
  };
  let whole = '';
  for (let place = Math.max(weight, 0); place >= 0; place -= 1) whole += four(digitAt(place));
  let rest = '';
  for (let place = -1; rest.length < scale; place -= 1) rest += four(digitAt(place));
  const minus = sign === NEGATIVE ? '-' : '';
  const point = scale > 0 ? `.${rest.slice(0, scale)}` : '';
  return minus + whole.replace(/^0+(?=\d)/, '') + point;
}

const four = (digit: number): string => String(digit).padStart(4, '0');
