/**
 * The most characters that a pattern can match: what is behind them need not be looked at. Throws where there is no such
 * number (`*`, `+`, `{n,}`), so that a rule's work at one place has a bound.
 */
export function longest(pattern: string): number {
  const reader = { pattern, at: 0 };
  const length = alternatives(reader);
  if (reader.at !== pattern.length) throw new Error(`${pattern}: unexpected ) at ${reader.at}`);
  return length;
}

type Reader = { readonly pattern: string; at: number };

function alternatives(reader: Reader): number {
  let most = 0;
  let current = 0;
  while (reader.at < reader.pattern.length && reader.pattern[reader.at] !== ')') {
    if (reader.pattern[reader.at] === '|') {
      reader.at += 1;
      most = Math.max(most, current);
      current = 0;
    } else current += atom(reader) * times(reader);
  }
  return Math.max(most, current);
}

function atom(reader: Reader): number {
  const { pattern, at } = reader;
  if (pattern[at] === '(') return group(reader);
  const one =
    /^(?:\[\^?\]?(?:\\.|[^\]\\])*\]|\\(?:p\{\w+\}|.)|[^])/.exec(pattern.slice(at))?.[0] ?? '';
  reader.at += one.length;
  return one === '\\b' || one === '^' || one === '$' ? 0 : 1;
}

function group(reader: Reader): number {
  const opening = /^\((?:\?[a-z]*[:)])?/.exec(reader.pattern.slice(reader.at))?.[0] ?? '(';
  reader.at += opening.length;
  if (opening.endsWith(')')) return 0;
  const length = alternatives(reader);
  reader.at += 1;
  return length;
}

function times(reader: Reader): number {
  const quantifier = /^(?:\{(\d+)(?:,(\d+))?\}|[?*+{])/.exec(reader.pattern.slice(reader.at));
  if (!quantifier) return 1;
  reader.at += quantifier[0].length;
  if (quantifier[0] === '?') return 1;
  const most = quantifier[2] ?? quantifier[1];
  if (most === undefined) throw new Error(`${reader.pattern} has no longest match`);
  return Number(most);
}
