/** How many characters a pattern can match: what is behind need not be looked at, and too short a rest not tried. */
export type Extent = { readonly least: number; readonly most: number };

/** Throws where a pattern has no longest match (`*`, `+`, `{n,}`), so that a rule's work at one place has a bound. */
export function extentOf(pattern: string): Extent {
  const reader = { pattern, at: 0 };
  const extent = alternatives(reader);
  if (reader.at !== pattern.length) throw new Error(`${pattern}: unexpected ) at ${reader.at}`);
  return extent;
}

type Reader = { readonly pattern: string; at: number };

const NOTHING: Extent = { least: 0, most: 0 };

function alternatives(reader: Reader): Extent {
  const each: Extent[] = [];
  let current = NOTHING;
  while (reader.at < reader.pattern.length && reader.pattern[reader.at] !== ')') {
    if (reader.pattern[reader.at] === '|') {
      reader.at += 1;
      each.push(current);
      current = NOTHING;
    } else {
      const one = atom(reader);
      const { least, most } = times(reader);
      current = { least: current.least + one.least * least, most: current.most + one.most * most };
    }
  }
  each.push(current);
  return {
    least: Math.min(...each.map(({ least }) => least)),
    most: Math.max(...each.map(({ most }) => most)),
  };
}

function atom(reader: Reader): Extent {
  const { pattern, at } = reader;
  if (pattern[at] === '(') return group(reader);
  const one =
    /^(?:\[\^?\]?(?:\\.|[^\]\\])*\]|\\(?:p\{\w+\}|.)|[^])/.exec(pattern.slice(at))?.[0] ?? '';
  reader.at += one.length;
  return one === '\\b' || one === '^' || one === '$' ? NOTHING : { least: 1, most: 1 };
}

function group(reader: Reader): Extent {
  const opening = /^\((?:\?[a-z]*[:)])?/.exec(reader.pattern.slice(reader.at))?.[0] ?? '(';
  reader.at += opening.length;
  if (opening.endsWith(')')) return NOTHING;
  const extent = alternatives(reader);
  reader.at += 1;
  return extent;
}

function times(reader: Reader): Extent {
  const quantifier = /^(?:\{(\d+)(?:,(\d+))?\}|[?*+{])/.exec(reader.pattern.slice(reader.at));
  if (!quantifier) return { least: 1, most: 1 };
  reader.at += quantifier[0].length;
  if (quantifier[0] === '?') return { least: 0, most: 1 };
  const [, least, most = least] = quantifier;
  if (least === undefined) throw new Error(`${reader.pattern} has no longest match`);
  return { least: Number(least), most: Number(most) };
}
