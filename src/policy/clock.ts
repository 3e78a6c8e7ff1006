/** `time` is 830 for 08:30, `date` 20261224 for December 24, 2026: whole numbers, so that rules can compare them. */
type Clock = {
  readonly minute: number;
  readonly hour: number;
  readonly weekday: number;
  readonly time: number;
  readonly date: number;
};
const clocks = new Map<string, Clock>();
const formats = new Map<string, Intl.DateTimeFormat>();
const days = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];

/** What a clock and a calendar in that time zone show; zones change on whole minutes, so one answer serves a minute. */
export function clock(now: number, timeZone: string): Clock {
  const minute = Math.floor(now / 60_000);
  const last = clocks.get(timeZone);
  if (last?.minute === minute) return last;
  const parts = new Map(
    formatOf(timeZone)
      .formatToParts(now)
      .map(({ type, value }) => [type, value]),
  );
  const number = (type: Intl.DateTimeFormatPartTypes): number => Number(parts.get(type));
  const hour = number('hour');
  const weekday = days.indexOf(parts.get('weekday') ?? '') + 1;
  const time = hour * 100 + number('minute');
  const date = number('year') * 10_000 + number('month') * 100 + number('day');
  if (!Number.isInteger(time) || !Number.isInteger(date) || weekday === 0)
    throw new Error(`no clock for ${timeZone}`);
  const answer = { minute, hour, weekday, time, date };
  clocks.set(timeZone, answer);
  return answer;
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  let format = formats.get(timeZone);
  if (!format) {
    const numeric = 'numeric';
    const day = { year: numeric, month: numeric, day: numeric, weekday: 'short' } as const;
    const options = { ...day, timeZone, hour: numeric, minute: numeric, hourCycle: 'h23' } as const;
    formats.set(timeZone, (format = new Intl.DateTimeFormat('en-US', options)));
  }
  return format;
}
