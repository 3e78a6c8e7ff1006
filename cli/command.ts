import { parseArgs } from 'node:util';
import { usageFailure } from './failure.ts';
import type { Terminal } from './terminal.ts';

export type Option = {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  readonly multiple?: boolean;
  /** Name of the value in help, e.g. `FILE`. */
  readonly value?: string;
  readonly about: string;
};
export type Options = Readonly<Record<string, Option>>;

export type Command = {
  /** One usage line each, without the program's name. */
  readonly usage: readonly string[];
  readonly about: string;
  readonly options: Options;
  readonly examples?: readonly string[];
  /** Resolves with the exit code; rejects with `Failure` for an error the user can act on. */
  run(argv: readonly string[], terminal: Terminal): Promise<number>;
};

/** A line of the table of commands; loaded only when it is asked for. */
export type Entry = { readonly summary: string; load(): Promise<Command> };

/** Options that every command has. */
export const COMMON = {
  help: { type: 'boolean', short: 'h', about: 'show this help' },
  debug: { type: 'boolean', about: 'show the stack of an error' },
} as const satisfies Options;

/** Strict parsing; an unknown option is refused, with the one that was probably meant. */
export function parse<T extends Options>(argv: readonly string[], options: T) {
  try {
    return parseArgs({
      args: [...argv],
      options: { ...options, ...COMMON },
      allowPositionals: true,
      strict: true,
    });
  } catch (error) {
    throw badArguments(error, argv, Object.keys({ ...options, ...COMMON }));
  }
}

function badArguments(error: unknown, argv: readonly string[], known: readonly string[]): unknown {
  if (!(error instanceof TypeError && 'code' in error)) return error;
  if (error.code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') {
    const bad = /'(-[^']*)'/.exec(error.message)?.[1] ?? argv.join(' ');
    const meant = nearest(bad.replace(/^-+/, ''), known);
    return usageFailure(
      `unknown option ${bad}`,
      meant === undefined
        ? 'see --help; put -- before a value that starts with -'
        : `did you mean --${meant}?`,
    );
  }
  return usageFailure((error.message.split('\n')[0] ?? '').replace(/\.$/, ''), 'see --help');
}

/** A whole number from `min` to `max`, or a usage failure that names the option. */
export function integer(text: string, option: string, min: number, max: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max)
    throw usageFailure(`--${option} must be a whole number from ${min} to ${max}, not ${text}`);
  return value;
}

/** The name that was probably meant: at most a third of its letters differ. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((candidate) => ({ candidate, distance: distance(name, candidate) }))
    .filter((entry) => entry.distance <= Math.ceil(entry.candidate.length / 3))
    .toSorted((a, b) => a.distance - b.distance);
  return ranked[0]?.candidate;
}

/** Levenshtein distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (const [i, x] of Array.from(a).entries()) {
    const next = [i + 1];
    for (const [j, y] of Array.from(b).entries())
      next.push(
        Math.min((row[j] ?? 0) + (x === y ? 0 : 1), (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1),
      );
    row = next;
  }
  return row[b.length] ?? 0;
}

export function helpText(command: Command): string {
  const entries = Object.entries<Option>({ ...command.options, ...COMMON }).map(
    ([name, option]) => {
      const short = option.short === undefined ? '    ' : `-${option.short}, `;
      const value = option.type === 'string' ? ` ${option.value ?? 'VALUE'}` : '';
      return [`${short}--${name}${value}`, option.about] as const;
    },
  );
  return [
    ...command.usage.map((line, i) => `${i === 0 ? 'Usage: ' : '       '}countersign ${line}`),
    '',
    command.about,
    '',
    'Options:',
    ...columns(entries),
    ...(command.examples ? ['', 'Examples:', ...command.examples.map((line) => `  ${line}`)] : []),
  ].join('\n');
}

/** Two columns, the first as wide as its widest entry. */
export function columns(entries: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...entries.map(([name]) => name.length));
  return entries.map(([name, about]) => `  ${name.padEnd(width)}  ${about}`);
}
