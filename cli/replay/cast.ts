import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { Failure } from '../failure.ts';
import { printable } from '../terminal.ts';
import { Harmless, RESTORED } from './harmless.ts';

export type Pace = {
  /** Times as fast; Infinity shows it at once. */
  readonly speed: number;
  /** Longest pause, in seconds of the recording. */
  readonly idle: number;
  /** Seconds since the beginning: what is before is shown at once. */
  readonly at: number;
};

const header = z.object({
  version: z.literal(3),
  term: z.object({ cols: z.number(), rows: z.number() }),
});
const event = z.tuple([z.number().min(0), z.string(), z.string()]);

/** One event of asciicast v3, with its time since the beginning in seconds. */
type Timed = { readonly at: number; readonly code: string; readonly data: string };

/** Reads the lines of an asciicast v3; `size` hears of its header. Rejects with `Failure` when a line is none. */
export async function* timed(
  lines: AsyncIterable<string>,
  size: (size: { readonly cols: number; readonly rows: number }) => void,
): AsyncGenerator<Timed> {
  let at = 0;
  let begun = false;
  for await (const line of lines) {
    if (line.startsWith('#') || line === '') continue;
    if (!begun) {
      size(parsed(header, line).term);
      begun = true;
      continue;
    }
    const [interval, code, data] = parsed(event, line);
    at += interval;
    yield { at, code, data };
  }
}

function parsed<T>(schema: z.ZodType<T>, line: string): T {
  try {
    return schema.parse(JSON.parse(line));
  } catch (cause) {
    throw new Failure('this is no recording of a terminal that this version can play', { cause });
  }
}

type Screen = {
  write(text: string): void;
  /** Says something beside the recording. */
  say(text: string): void;
};

/** Plays what the terminal got, in its time; `signal` ends it. Whatever comes, the screen is put right at the end. */
export async function play(
  lines: AsyncIterable<string>,
  { speed, idle, at }: Pace,
  screen: Screen,
  signal: AbortSignal,
): Promise<void> {
  const harmless = new Harmless();
  let shown = 0;
  const events = timed(lines, ({ cols, rows }) =>
    screen.say(`the terminal had ${cols} columns and ${rows} rows`),
  );
  try {
    for await (const { at: now, code, data } of events) {
      if (signal.aborted) return;
      const wait = Math.min(Math.max(0, now - Math.max(shown, at)), idle) / speed;
      shown = now;
      if (wait > 0) await sleep(wait * 1_000, undefined, { signal }).catch(() => undefined);
      if (code === 'o') screen.write(harmless.take(data));
      else if (code === 'm' && now >= at && speed === Infinity) screen.say(printable(data));
    }
  } finally {
    screen.write(RESTORED);
  }
}
