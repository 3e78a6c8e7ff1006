import { clock } from '#src/policy/clock.ts';

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
/** A week without a holiday or a change of the clocks: the Monday is January 5. */
const WEEK = { year: 2026, month: 1, monday: 5 };
/** When nothing is said: a Wednesday, at noon. */
export const USUAL = 'Wed 12:00';

/**
 * Milliseconds since the epoch of `2026-11-20 21:30` or `Fri 21:30` on a clock in that time zone, or of an ISO 8601
 * instant with its own offset. Undefined for anything else.
 */
export function momentOf(text: string, timeZone: string): number | undefined {
  const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(text);
  if (instant) return Number.isNaN(Date.parse(text)) ? undefined : Date.parse(text);
  const dated = /^(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d)$/.exec(text);
  if (dated) return local(dated.slice(1).map(Number), timeZone);
  const weekly = /^([A-Za-z]{3})[a-z]* (\d\d):(\d\d)$/.exec(text);
  const weekday = DAYS.indexOf(weekly?.[1]?.toLowerCase() ?? '');
  if (!weekly || weekday < 0) return undefined;
  const { year, month, monday } = WEEK;
  return local([year, month, monday + weekday, Number(weekly[2]), Number(weekly[3])], timeZone);
}

function local(
  [year = 0, month = 0, day = 0, hour = 0, minute = 0]: readonly number[],
  timeZone: string,
): number | undefined {
  const wanted = Date.UTC(year, month - 1, day, hour, minute);
  if (new Date(wanted).getUTCMonth() !== month - 1 || hour > 23 || minute > 59) return undefined;
  // Twice, because the first guess may lie on the other side of a change of the clocks.
  let at = wanted;
  for (let round = 0; round < 2; round += 1) at += wanted - shown(at, timeZone);
  return shown(at, timeZone) === wanted ? at : undefined;
}

/** What the clock shows, as if it were UTC. */
function shown(at: number, timeZone: string): number {
  const { date, time } = clock(at, timeZone);
  const [year, month, day] = [Math.floor(date / 10_000), Math.floor(date / 100) % 100, date % 100];
  return Date.UTC(year, month - 1, day, Math.floor(time / 100), time % 100);
}
