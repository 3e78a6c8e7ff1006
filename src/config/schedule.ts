const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const DAY_MS = 86_400_000;

/** Times of days: days are 1 (Monday) to 7, times are minutes since midnight, both sorted. */
export type Schedule = { readonly days: readonly number[]; readonly minutes: readonly number[] };

/** `daily 08:30`, `Mon-Fri 09:00`, `weekly Mon 09:00`, `08:00,20:00`; undefined for anything else. */
export function parseSchedule(text: string): Schedule | undefined {
  const [, days = '', times = ''] =
    /^(?:(?:weekly\s+)?([a-z,-]+)\s+)?([\d:,]+)$/i.exec(text.trim()) ?? [];
  const minutes = times.split(',').map(minuteOf);
  const read = daysOf(days.toLowerCase());
  if (!read || minutes.includes(undefined)) return undefined;
  return { days: sorted(read), minutes: sorted(minutes.filter((one) => one !== undefined)) };
}

function daysOf(text: string): readonly number[] | undefined {
  if (text === '' || text === 'daily') return [1, 2, 3, 4, 5, 6, 7];
  const parts = text.split(',').map((part) => {
    const [from, to = from] = part.split('-').map((day) => DAYS.indexOf(day) + 1);
    if (!from || !to || to < from || part.split('-').length > 2) return undefined;
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
  return parts.includes(undefined) ? undefined : parts.flatMap((days) => days ?? []);
}

function minuteOf(text: string): number | undefined {
  const [, hours, minutes] = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(text) ?? [];
  return hours === undefined ? undefined : Number(hours) * 60 + Number(minutes);
}

const sorted = (list: readonly number[]): readonly number[] =>
  [...new Set(list)].toSorted((a, b) => a - b);

/** The last times of the schedule up to `now`, newest first, in milliseconds since 1970: as many as are in two weeks. */
export function slotsUpTo(
  { days, minutes }: Schedule,
  timeZone: string,
  now: number,
): readonly number[] {
  const offset = offsetOf(timeZone);
  const midnight = Math.floor((now + offset(now)) / DAY_MS) * DAY_MS;
  return Array.from({ length: 15 }, (_, back) => midnight - back * DAY_MS)
    .filter((day) => days.includes(new Date(day).getUTCDay() || 7))
    .flatMap((day) => minutes.map((minute) => instantOf(day + minute * 60_000, offset)))
    .filter((at) => at <= now)
    .toSorted((a, b) => b - a);
}

/** The moment at which clocks there show `local`; of two the first, and of none the one as long after the gap began. */
function instantOf(local: number, offset: (at: number) => number): number {
  const [before, after] = [offset(local - DAY_MS), offset(local + DAY_MS)];
  const first = local - Math.max(before, after);
  return first + offset(first) === local ? first : local - Math.min(before, after);
}

/** How far clocks there are ahead of UTC, in milliseconds. */
function offsetOf(timeZone: string): (at: number) => number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  return (at) => {
    const part = Object.fromEntries(
      format.formatToParts(at).map(({ type, value }) => [type, Number(value)]),
    );
    const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = part;
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(at / 1_000) * 1_000;
  };
}
