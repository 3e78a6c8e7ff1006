import { z } from 'zod';
import { clock } from '../policy/clock.ts';
import { email, timeZone } from './keys.ts';
import { pathText, type ConfigProblem } from './node.ts';
import { parseYaml } from './yaml.ts';

/** Who is on call from one moment to another, in milliseconds since the epoch; `until` is not in it. */
export type Shift = {
  readonly from: number;
  readonly until: number;
  /** E-mail addresses. */
  readonly people: readonly string[];
};

const LOCAL = /^(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d)$/;
const OFFSET = /^\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)$/;

const fileSchema = z.strictObject({
  timeZone: timeZone.default('UTC'),
  shifts: z
    .array(
      z.strictObject({
        from: z.string(),
        until: z.string(),
        people: z.union([email.transform((one) => [one]), z.array(email).min(1)], {
          error: 'write an e-mail address, or a list of them',
        }),
      }),
    )
    .min(1, 'names nobody: write at least one shift'),
});

/** `2026-11-20 09:00` on the clock of that zone, or with its own offset: `2026-11-20T09:00+01:00`; undefined: neither. */
export function instantOf(text: string, zone: string): number | undefined {
  if (OFFSET.test(text)) {
    const at = Date.parse(text.replace(' ', 'T'));
    return Number.isNaN(at) ? undefined : at;
  }
  const [year, month, day, hour, minute] = (LOCAL.exec(text) ?? []).slice(1).map(Number);
  if (year === undefined || month === undefined) return undefined;
  const wall = Date.UTC(year, month - 1, day, hour, minute);
  let at = wall;
  // What the zone's clock shows there is off by its offset; once more, since the offset may change in between.
  for (let round = 0; round < 3; round += 1) at += wall - shown(at, zone);
  return shown(at, zone) === wall ? at : undefined;
}

/** What the clock of the zone shows at that moment, as if it were UTC. */
function shown(at: number, zone: string): number {
  const { date, time } = clock(at, zone);
  const [year, month, day] = [Math.floor(date / 10_000), Math.floor(date / 100) % 100, date % 100];
  return Date.UTC(year, month - 1, day, Math.floor(time / 100), time % 100);
}

/** The shifts of a rota file in their order, or everything that is wrong with it; a time in which nobody is on call is. */
export function parseRota(
  text: string,
): { readonly shifts: readonly Shift[] } | { readonly problems: readonly ConfigProblem[] } {
  const { raw, problems } = parseYaml(text);
  if (problems.length > 0) return { problems };
  const parsed = fileSchema.safeParse(raw);
  if (!parsed.success)
    return {
      problems: parsed.error.issues.map(({ path, message }) => ({
        path: pathText(path.map((key) => (typeof key === 'number' ? key : String(key)))),
        message,
      })),
    };
  const found: ConfigProblem[] = [];
  const zone = parsed.data.timeZone;
  const read = (key: 'from' | 'until', value: string, index: number): number => {
    const at = instantOf(value, zone);
    if (at === undefined)
      found.push({
        path: `shifts[${index}].${key}`,
        message: `${JSON.stringify(value)} is not a time in ${zone}: write 2026-11-20 09:00, or with an offset 2026-11-20T09:00+01:00`,
      });
    return at ?? 0;
  };
  const shifts = parsed.data.shifts.map(({ people, from, until }, index) => ({
    index,
    people,
    from: read('from', from, index),
    until: read('until', until, index),
  }));
  if (found.length === 0) found.push(...wrongTimes(shifts));
  return found.length > 0
    ? { problems: found }
    : { shifts: shifts.map(({ from, until, people }) => ({ from, until, people })) };
}

function wrongTimes(shifts: readonly (Shift & { readonly index: number })[]): ConfigProblem[] {
  const backwards = shifts.filter(({ from, until }) => until <= from);
  const found = backwards.map(({ index }) => ({
    path: `shifts[${index}]`,
    message: 'ends before it begins',
  }));
  let until: number | undefined;
  for (const shift of shifts.toSorted((a, b) => a.from - b.from)) {
    if (until !== undefined && shift.from > until)
      found.push({
        path: `shifts[${shift.index}]`,
        message: `leaves a gap: nobody is on call from ${new Date(until).toISOString()} to ${new Date(shift.from).toISOString()}`,
      });
    until = Math.max(until ?? shift.until, shift.until);
  }
  return found;
}
