import { clock } from './clock.ts';

/** Hours of the week. `days` are 1 (Monday) to 7; `from` and `to` as `clock` gives times: 930 is 09:30, `to` up to 2400. */
type Window = { readonly days: readonly number[]; readonly from: number; readonly to: number };

const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
const DAY = `(?:${DAYS.join('|')})`;
const TIME = '([01]\\d|2[0-4]):([0-5]\\d)';
const WINDOW = new RegExp(`^(${DAY})(?:-(${DAY}))? ${TIME}-${TIME}$`);

/**
 * `Mon-Fri 09:00-17:00`, several with commas; `Fri-Mon` and `22:00-06:00` go over the end of the week and of the day, and
 * such a night belongs to the day on which it begins. Undefined for anything else.
 */
export function parseHours(text: string): readonly Window[] | undefined {
  const windows = text.split(',').map((part) => windowOf(part.trim()));
  return windows.every((one) => one !== undefined) ? windows : undefined;
}

function windowOf(text: string): Window | undefined {
  const [, first, last, ...times] = WINDOW.exec(text) ?? [];
  if (first === undefined) return undefined;
  const [fromHour = 0, fromMinute = 0, toHour = 0, toMinute = 0] = times.map(Number);
  const [from, to] = [fromHour * 100 + fromMinute, toHour * 100 + toMinute];
  if (from >= 2400 || to > 2400 || from === to) return undefined;
  const start = DAYS.indexOf(first);
  const length = ((DAYS.indexOf(last ?? first) - start + 7) % 7) + 1;
  return { days: Array.from({ length }, (_, at) => ((start + at) % 7) + 1), from, to };
}

/** Whether that moment (milliseconds since the epoch) is within the hours of the place; throws for hours that are none. */
export function isWithin(text: string, timeZone: string, now: number): boolean {
  const windows = parseHours(text);
  if (!windows) throw new Error(`"${text}" are no hours`);
  const { weekday, time } = clock(now, timeZone);
  const before = weekday === 1 ? 7 : weekday - 1;
  return windows.some(({ days, from, to }) =>
    from < to
      ? days.includes(weekday) && time >= from && time < to
      : (days.includes(weekday) && time >= from) || (days.includes(before) && time < to),
  );
}
