/** The day and time that a clock in that zone shows; undefined when the text is no time. */
export function partsOf(
  iso: string,
  zone: string,
): { readonly date: string; readonly time: string } | undefined {
  const at = Date.parse(iso);
  if (Number.isNaN(at)) return undefined;
  const [date = '', time = ''] = new Date(at + offsetMs(at, zone)).toISOString().split('T');
  return { date, time: time.slice(0, 5) };
}

/** ISO 8601 of what a clock in that zone shows; '' when day or time is missing. In a gap of summer time: after it. */
export function instantOf(date: string, time: string, zone: string): string {
  if (!/^\d{4}-\d\d-\d\d$/.test(date) || !/^\d\d:\d\d$/.test(time)) return '';
  const shown = Date.parse(`${date}T${time}:00Z`);
  if (Number.isNaN(shown)) return '';
  // The offset at the guess may be that of the other side of a change of the clock.
  const guess = shown - offsetMs(shown, zone);
  return new Date(shown - offsetMs(guess, zone)).toISOString();
}

/** The zone if it is one, else UTC. */
export function zoneOf(name: string | undefined): string {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name ?? 'UTC' }).resolvedOptions().timeZone;
  } catch {
    return 'UTC';
  }
}

function offsetMs(at: number, timeZone: string): number {
  const format = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' });
  const name = format.formatToParts(at).find((part) => part.type === 'timeZoneName')?.value ?? '';
  const [, sign, hours, minutes] = /([+-])(\d{2}):(\d{2})/.exec(name) ?? [];
  if (sign === undefined) return 0;
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
}
