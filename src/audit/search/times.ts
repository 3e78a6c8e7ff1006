const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
const LENGTH = /^(\d{1,12}(?:\.\d{1,3})?)(ms|s|m|h|d|w)$/;
const DAY = /^\d{4}-\d\d-\d\d$/;
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d)?$/;

/** Milliseconds of `250ms`, `1.5s`, `10m`, `2h`, `7d`, `4w`; undefined for anything else. */
export function lengthOf(text: string): number | undefined {
  const [, count, unit] = LENGTH.exec(text) ?? [];
  const each = UNITS[unit ?? ''];
  return count === undefined || each === undefined ? undefined : Number(count) * each;
}

/**
 * Milliseconds since 1970 of `7d` (so long before `now`), `today`, `yesterday`, `2026-11-20` (its beginning) or
 * `2026-11-20T14:03Z`; all in UTC unless an offset is given. Undefined for anything else.
 */
export function momentOf(text: string, now: number): number | undefined {
  const back = lengthOf(text);
  if (back !== undefined) return back <= now ? now - back : undefined;
  const midnight = now - (now % 86_400_000);
  if (text === 'today') return midnight;
  if (text === 'yesterday') return midnight - 86_400_000;
  const said = DAY.test(text)
    ? `${text}T00:00:00Z`
    : MOMENT.test(text)
      ? /(?:Z|[+-]\d\d:\d\d)$/.test(text)
        ? text
        : `${text}Z`
      : '';
  const at = Date.parse(said);
  // 31 February is a March day to some.
  const real =
    !Number.isNaN(at) && (!DAY.test(text) || new Date(at).toISOString().startsWith(text));
  return real && at >= 0 ? at : undefined;
}
