import { parseDuration } from './duration.ts';

/** Hears what is wrong with an annotation, and what to write instead. */
export type Complain = (message: string, hint: string) => undefined;

export function readDuration(
  name: string,
  values: ReadonlyMap<string, string>,
  complain: Complain,
): number | undefined {
  const text = values.get(name);
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  return (
    ms ??
    complain(
      `@${name}("${text}") is not a duration`,
      `write a number and ms, s, m, h or d: @${name}("15m")`,
    )
  );
}
