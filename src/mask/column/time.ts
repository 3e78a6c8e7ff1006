import type { Hmac } from '../hmac.ts';

// What is made up lies between 1950 and 2019: a date that a form, a report and a driver take.
const FIRST_DAY = Date.UTC(1950, 0, 1) / 86_400_000;
const DAYS = Date.UTC(2020, 0, 1) / 86_400_000 - FIRST_DAY;
const DAY_SECONDS = 86_400;

/** Only ISO, which PostgreSQL prints unless DateStyle says otherwise: other styles cannot be told apart. */
const isoDate = /^(\d{4,6})-(\d\d)-(\d\d)$/;
const isoTime =
  /^(\d{4,6})-(\d\d)-(\d\d) ([01]\d|2[0-4]):([0-5]\d):([0-5]\d|60)(?:\.(\d{1,6}))?(?:([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?)?$/;

/** Days since 1970; undefined for infinity, BC and what is no date. */
export function parseDate(text: string): number | undefined {
  const found = isoDate.exec(text);
  if (!found) return undefined;
  const [year = 0, month = 0, day = 0] = found.slice(1).map(Number);
  return daysOf(year, month, day);
}

function daysOf(year: number, month: number, day: number): number | undefined {
  const at = new Date(0);
  at.setUTCFullYear(year, month - 1, day);
  const real = at.getUTCMonth() === month - 1 && at.getUTCDate() === day;
  return real ? Math.floor(at.getTime() / 86_400_000) : undefined;
}

export function printDate(days: number): string | undefined {
  const at = new Date(days * 86_400_000);
  const year = at.getUTCFullYear();
  if (!(year >= 1 && year <= 9999)) return undefined;
  return `${String(year).padStart(4, '0')}-${two(at.getUTCMonth() + 1)}-${two(at.getUTCDate())}`;
}
const two = (value: number): string => String(value).padStart(2, '0');

/** Microseconds since 1970, in UTC where the text names an offset. */
export function parseTimestamp(text: string): bigint | undefined {
  const found = isoTime.exec(text);
  if (!found) return undefined;
  const [year = 0, month = 0, day = 0, ...clock] = found.slice(1, 7).map(Number);
  const days = daysOf(year, month, day);
  if (days === undefined) return undefined;
  const [fraction = '', sign, ...offset] = found.slice(7);
  const away = secondsOf(offset.map((one) => Number(one ?? 0))) * (sign === '-' ? -1 : 1);
  const whole = days * DAY_SECONDS + secondsOf(clock) - away;
  return BigInt(whole) * 1_000_000n + BigInt(fraction.padEnd(6, '0'));
}

const secondsOf = ([hours = 0, minutes = 0, seconds = 0]: readonly number[]): number =>
  hours * 3_600 + minutes * 60 + seconds;

export function printTimestamp(micros: bigint, zoned: boolean): string | undefined {
  const seconds = Number(micros / 1_000_000n);
  const fraction = Number(micros % 1_000_000n);
  if (fraction < 0) return printTimestampBefore(micros, zoned);
  const days = Math.floor(seconds / DAY_SECONDS);
  const date = printDate(days);
  if (date === undefined) return undefined;
  const rest = seconds - days * DAY_SECONDS;
  const clock = [rest / 3_600, (rest / 60) % 60, rest % 60].map((one) => two(Math.floor(one)));
  const small = fraction === 0 ? '' : `.${String(fraction).padStart(6, '0').replace(/0+$/, '')}`;
  return `${date} ${clock.join(':')}${small}${zoned ? '+00' : ''}`;
}

/** Before 1970, a part of a second counts up from the second before. */
function printTimestampBefore(micros: bigint, zoned: boolean): string | undefined {
  const fraction = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const whole = printTimestamp(micros - fraction, false);
  const small = `.${String(fraction).padStart(6, '0').replace(/0+$/, '')}`;
  return whole && `${whole}${small}${zoned ? '+00' : ''}`;
}

export function hashedDate(text: string, hmac: Hmac): string | undefined {
  const days = parseDate(text);
  if (days === undefined) return undefined;
  const digest = hmac.of(Buffer.from(`date ${days}`));
  return printDate(FIRST_DAY + (digest.readUInt32BE() % DAYS));
}

export function hashedTimestamp(text: string, zoned: boolean, hmac: Hmac): string | undefined {
  const micros = parseTimestamp(text);
  if (micros === undefined) return undefined;
  const digest = hmac.of(Buffer.from(`time ${micros}`));
  const day = FIRST_DAY + (digest.readUInt32BE() % DAYS);
  const second = day * DAY_SECONDS + (digest.readUInt32BE(4) % DAY_SECONDS);
  return printTimestamp(BigInt(second) * 1_000_000n, zoned);
}
