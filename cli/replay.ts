import { apisFor } from './apis.ts';
import { parse, type Command, type Options } from './command.ts';
import { IDENTITY_OPTIONS } from './connection.ts';
import { EXIT, usageFailure } from './failure.ts';
import { eventOf } from './replay/events.ts';
import { play, type Pace } from './replay/cast.ts';
import { Transcript } from './replay/transcript.ts';
import { findSession } from './sessions.ts';
import { printable, type Terminal } from './terminal.ts';

const OPTIONS = {
  ...IDENTITY_OPTIONS,
  as: { type: 'string', value: 'WHO', about: "one of the demo's people (default: approver)" },
  api: { type: 'string', value: 'URL', about: 'address of the API, ends in /api/v1' },
  follow: { type: 'boolean', short: 'f', about: 'go on with what comes, until the session ends' },
  statement: { type: 'string', value: 'ID', about: 'SQL: only this statement' },
  speed: { type: 'string', value: 'N', about: 'terminals: N times as fast (default 1)' },
  idle: { type: 'string', value: 'SECONDS', about: 'terminals: longest pause (default 2)' },
  at: { type: 'string', value: 'TIME', about: 'terminals: begin there, as 90, 1:30 or 1:02:03' },
  json: { type: 'boolean', about: 'print the recording itself: a JSON value a line' },
} as const satisfies Options;

export const replayCommand: Command = {
  usage: [
    'replay SESSION [--statement ID] [--follow] [--json]',
    'replay SESSION [--speed N] [--idle SECONDS] [--at TIME] [--follow]',
  ],
  about:
    'Shows what a session did and got: SQL as a transcript with tables, a terminal as it was, in its time.\n' +
    'SESSION may be shortened as long as it is unique. It needs a token with scope read, and the look is recorded.',
  options: OPTIONS,
  examples: [
    'countersign replay 0199c0de',
    'countersign replay 0199c0de --follow',
    'countersign replay 0199c0de --speed 4 --idle 1 --at 1:30',
  ],
  run: replay,
};

async function replay(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS);
  const [id, ...more] = positionals;
  if (id === undefined)
    throw usageFailure('which session?', 'countersign sessions --state all lists them');
  if (more.length > 0) throw usageFailure(`one session at a time, not also ${more.join(' ')}`);
  const pace = paceOf(values, terminal);
  const { reader } = await apisFor(values, 'approver');
  const session = await findSession(reader, id, 'all');
  const { type, lines } = await reader.lines(recordingPath(session, values));
  if (values.json) await json(lines, terminal);
  else if (type.includes('asciicast')) await onScreen(lines, pace, terminal);
  else await transcript(lines, terminal);
  return EXIT.done;
}

function recordingPath(
  session: string,
  { follow, statement }: { follow?: boolean | undefined; statement?: string | undefined },
): string {
  const query = new URLSearchParams({
    ...(follow && { follow: 'true' }),
    ...(statement !== undefined && { statement }),
  }).toString();
  return `/sessions/${session}/recording${query === '' ? '' : `?${query}`}`;
}

const TIME = /^(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d+)?)$/u;

type Given = {
  readonly speed?: string | undefined;
  readonly idle?: string | undefined;
  readonly at?: string | undefined;
};

function paceOf({ speed, idle, at = '0' }: Given, { interactive }: Terminal): Pace {
  const time = TIME.exec(at);
  if (!time) throw usageFailure(`--at ${printable(at)} is no time`, 'write 90, 1:30 or 1:02:03');
  const [, hours = '0', minutes = '0', seconds = '0'] = time;
  return {
    // Nobody watches a pipe.
    speed: speed === undefined ? (interactive ? 1 : Infinity) : positive(speed, 'speed'),
    idle: idle === undefined ? 2 : positive(idle, 'idle'),
    at: Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds),
  };
}

function positive(text: string, option: string): number {
  const value = Number(text);
  if (!/^\d+(?:\.\d+)?$/u.test(text) || value <= 0)
    throw usageFailure(`--${option} must be a number above 0, not ${printable(text)}`);
  return value;
}

/** Controls that JSON leaves as they are, and what turns text around, are escaped as JSON allows. */
async function json(lines: AsyncIterable<string>, terminal: Terminal): Promise<void> {
  for await (const line of lines)
    terminal.out(
      line.replaceAll(
        /[\u007F-\u009F\u061C\u200B-\u200F\u2028-\u202E\u2066-\u2069\uFEFF]/gu,
        (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
      ),
    );
}

async function transcript(lines: AsyncIterable<string>, terminal: Terminal): Promise<void> {
  const shown = new Transcript(terminal);
  let count = 0;
  for await (const line of lines) {
    count += 1;
    shown.show(eventOf(line));
  }
  shown.end();
  if (count === 0) terminal.err('nothing is recorded yet');
}

async function onScreen(
  lines: AsyncIterable<string>,
  pace: Pace,
  terminal: Terminal,
): Promise<void> {
  const stopped = new AbortController();
  const stop = (): void => stopped.abort();
  process.once('SIGINT', stop);
  try {
    await play(
      lines,
      pace,
      {
        write: terminal.write ?? ((text) => terminal.out(text)),
        say: (text) => terminal.err(text),
      },
      stopped.signal,
    );
  } finally {
    process.removeListener('SIGINT', stop);
  }
}
