import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** Where a command writes. Results go to `out`, everything about them to `err`, so that a pipe gets results only. */
export type Terminal = {
  out(line: string): void;
  err(line: string): void;
  /** Replaces the status line on stderr; undefined clears it. Does nothing where nobody watches. */
  status(line: string | undefined): void;
  /** To stdout as it is, for what draws on a screen; absent where nobody has one. */
  readonly write?: (text: string) => void;
  /** Colour on stdout, where it is wanted (NO_COLOR and pipes are respected). */
  paint(style: Style, text: string): string;
  /** True when a person watches stderr. */
  readonly interactive: boolean;
  /** Columns of stdout; undefined when it is not a terminal. */
  readonly width: number | undefined;
};

/** The process's own streams. A closed pipe (`| head`) ends the output quietly. */
export function processTerminal(): Terminal {
  const { stdout, stderr } = process;
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exitCode ??= 0;
  });
  let shown = false;
  const status = (line: string | undefined): void => {
    if (!stderr.isTTY) return;
    if (shown || line !== undefined) stderr.write('\r\u001B[2K');
    if (line !== undefined) stderr.write(line.slice(0, Math.max(0, stderr.columns - 1)));
    shown = line !== undefined;
  };
  return {
    out(line) {
      status(undefined);
      stdout.write(`${line}\n`);
    },
    err(line) {
      status(undefined);
      stderr.write(`${line}\n`);
    },
    status,
    write: (text) => void stdout.write(text),
    paint: (style, text) => styleText(style, text, { stream: stdout }),
    interactive: stderr.isTTY,
    width: stdout.isTTY ? stdout.columns : undefined,
  };
}

/** Text from elsewhere made harmless: a control character could move the cursor or hide what follows. */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069]/gu,
    (c) => NAMED[c] ?? `\\u${(c.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  );
}

const NAMED: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** `2026-11-20 20:14:03 UTC`, as the console writes it: the same in every country and on every machine. */
export function clock(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;
}
