import type { Hmac } from '../hmac.ts';

/** A number as PostgreSQL prints it: sign, digits, and how many of them are behind the point. */
type Parts = { readonly negative: boolean; readonly digits: string; readonly scale: number };

function parts(text: string): Parts | undefined {
  const found = /^(-?)0*(\d+?)(?:\.(\d+))?$/.exec(text);
  if (!found) return undefined;
  const [, sign, whole = '', behind = ''] = found;
  return { negative: sign === '-', digits: whole + behind, scale: behind.length };
}

function printed({ negative, digits, scale }: Parts): string {
  const whole = digits.slice(0, digits.length - scale).replace(/^0+(?=\d)/, '');
  const text = scale === 0 ? whole : `${whole}.${digits.slice(digits.length - scale)}`;
  return negative && /[1-9]/.test(digits) ? `-${text}` : text;
}

/** Largest of the integer types that can have so many digits: one value has one token in all of them. */
const largest: ReadonlyMap<number, bigint> = new Map([
  [5, 32_767n],
  [10, 2_147_483_647n],
  [19, 9_223_372_036_854_775_807n],
]);

/** As many digits, made of HMAC-SHA-256; unless it is alone, the first is 0 exactly where it was. Goes on where one digest is too short. */
function hashedDigits(digits: string, hmac: Hmac, message: string): string {
  let digest = hmac.of(Buffer.from(message, 'latin1'));
  let made = '';
  for (let i = 0; i < digits.length; i += 1) {
    const at = i % digest.length;
    if (i > 0 && at === 0) digest = hmac.of(Buffer.from(`${message}#${i}`, 'latin1'));
    const byte = digest[at] ?? 0;
    const keepsFirst = i === 0 && digits.length > 1;
    if (!keepsFirst) made += byte % 10;
    else made += digits.startsWith('0') ? 0 : 1 + (byte % 9);
  }
  return made;
}

/** Same number of digits, sign and scale; whole numbers stay in the range of the integer type that they fit in. */
export function hashedNumber(text: string, hmac: Hmac): string | undefined {
  const number = parts(text);
  if (!number || number.digits.length > MOST_DIGITS) return undefined;
  const digits = hashedDigits(number.digits, hmac, canonical(number));
  if (number.scale > 0) return printed({ ...number, digits });
  const most = largest.get(digits.length);
  if (most === undefined) return number.negative ? printed({ ...number, digits }) : digits;
  const value = BigInt(digits);
  if (value <= most) return printed({ ...number, digits });
  const least = 10n ** BigInt(digits.length - 1);
  const inside = least + ((value - least) % (most - least + 1n));
  return printed({ ...number, digits: String(inside) });
}
const MOST_DIGITS = 1_000;

/** `1.50` and `1.5` are one value. */
function canonical(number: Parts): string {
  if (number.scale === 0) return number.negative ? printed(number) : number.digits;
  return printed(number).replace(/\.?0+$/, '');
}

/** Its last digits, at most `keep` and at most a quarter; the others are 0, and the sign is gone. */
export function lastNumber(text: string, keep: number): string | undefined {
  const number = parts(text);
  if (!number) return undefined;
  const { digits, scale } = number;
  const hidden = digits.length - Math.min(keep, digits.length >> 2);
  return printed({ negative: false, digits: '0'.repeat(hidden) + digits.slice(hidden), scale });
}

/** Same sign, exponent and number of digits of the shortest decimal form that means this value. */
export function hashedFloat(text: string, single: boolean, hmac: Hmac): string | undefined {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) return undefined;
  const shortest = single ? shortestSingle(value) : value;
  const found = /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(shortest.toExponential());
  if (!found) return undefined;
  const [, sign = '', first = '', rest = '', exponent = ''] = found;
  const made = hashedDigits(first + rest, hmac, String(shortest));
  // One digit alone may become 0; the exponent then says nothing.
  const scaled = (digits: string): number =>
    Number(`${sign}${digits[0]}.${digits.slice(1)}0e${exponent}`);
  const most = single ? 3e38 : Number.MAX_VALUE;
  const result = scaled(made);
  const fitting = Math.abs(result) <= most ? result : scaled(`1${made.slice(1)}`);
  return String(fitting === 0 ? 0 : fitting);
}

function shortestSingle(value: number): number {
  const single = Math.fround(value);
  for (let digits = 1; digits < 9; digits += 1) {
    const shorter = Number(single.toPrecision(digits));
    if (Math.fround(shorter) === single) return shorter;
  }
  return Number(single.toPrecision(9));
}

const limits: ReadonlyMap<string, readonly [bigint, bigint]> = new Map([
  ['int2', [-32_768n, 32_767n]],
  ['int4', [-2_147_483_648n, 2_147_483_647n]],
  ['int8', [-9_223_372_036_854_775_808n, 9_223_372_036_854_775_807n]],
]);

/** The text as the type would print it; undefined when it is no whole number of that type. */
export function wholeNumber(text: string, form: 'int2' | 'int4' | 'int8'): string | undefined {
  if (!/^-?\d{1,19}$/.test(text)) return undefined;
  const value = BigInt(text);
  const [least, most] = limits.get(form) ?? [0n, 0n];
  return value >= least && value <= most ? String(value) : undefined;
}

/** As it would be printed in a column with that type modifier (precision and scale); undefined when it does not fit there. */
export function decimalNumber(text: string, modifier: number): string | undefined {
  const number = parts(text);
  if (!number || number.digits.length > 100) return undefined;
  if (modifier < 4) return printed(number);
  const precision = ((modifier - 4) >> 16) & 0xffff;
  // Eleven bits with a sign, from PostgreSQL 15 on.
  const scale = (((modifier - 4) & 0x7ff) ^ 1024) - 1024;
  const whole = printed({ ...number, negative: false }).split('.')[0] ?? '';
  const before = whole === '0' ? 0 : whole.length;
  if (scale < 0 || number.scale > scale || before > precision - scale) return undefined;
  const digits = number.digits + '0'.repeat(scale - number.scale);
  return printed({ negative: number.negative, digits, scale });
}
