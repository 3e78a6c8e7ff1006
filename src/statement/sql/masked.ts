import { detect, maskDetected } from '#src/mask/detect.ts';
import type { IsRuled, Masked } from './analysis.ts';
import { boundText, hidden } from './bound-text.ts';
import type { Catalog } from './catalog.ts';
import { type SqlToken, fromBytes } from './lexer.ts';
import type { Judged, Unit } from './part.ts';
import { Shows } from './shows.ts';

type Params = readonly (string | null | undefined)[];

/**
 * The string without comments, its literals replaced unless they may be read by everyone who reads the channel.
 * What does not depend on parameters is worked out once.
 */
export function maskerOf(
  unit: Unit,
  judged: readonly Judged[],
  catalog: Catalog,
  isRuled: IsRuled,
): (params?: Params) => Masked {
  if (unit.bytes.length > longest) return maskerOfLong(unit, judged);
  // One look at the whole saves a look at every literal.
  const clean = !detect(fromBytes(unit.bytes));
  const shows = judged.map((one) => new Shows(one, catalog, isRuled, clean));
  const body = maskedBody(unit, shows);
  const words = judged.map((one, index) => wordsOf(unit, one, index, shows[index]));
  const writes = judged.some(({ part }) =>
    part.effect.accesses.some(({ action }) => action !== 'read'),
  );
  const plain: Masked = { text: body.text, hidesWrite: writes && body.hides, words };
  return (params) => {
    if (!params || params.length === 0) return plain;
    const given = maskedParams(shows, params);
    const hidesWrite = writes && (body.hides || given.hides);
    return { text: `${body.text}\n-- ${given.text}`, hidesWrite, words };
  };
}

// Bytes. In a longer statement nobody reads single literals, and looking at each of them takes time.
const longest = 262_144;
const head = 49_152;
const tail = 16_384;

/** Of a very long statement others read its beginning and its end, without any literal or quoted name. */
function maskerOfLong(unit: Unit, judged: readonly Judged[]): (params?: Params) => Masked {
  const { tokens, bytes } = unit;
  const first = tokens.findLastIndex(({ end }) => end <= head) + 1;
  const last = Math.max(
    first,
    tokens.findIndex(({ start }) => start >= bytes.length - tail),
  );
  const from = tokens[last]?.start ?? bytes.length;
  const until = tokens[first]?.start ?? from;
  const text = [
    hiddenPart(unit, 0, first),
    `\n… (${from - until} bytes more) …\n`,
    hiddenPart(unit, last, tokens.length),
  ].join('');
  const masked: Masked = {
    text: maskDetected(text),
    hidesWrite: judged.some(({ part }) =>
      part.effect.accesses.some(({ action }) => action !== 'read'),
    ),
    words: judged.map(({ part }) => maskDetected(part.effect.words)),
  };
  return () => masked;
}

function hiddenPart({ tokens, bytes }: Unit, first: number, last: number): string {
  let text = '';
  let at = tokens[first]?.start ?? 0;
  for (const { kind, start, end } of tokens.slice(first, last)) {
    const plain = kind === 'word' || kind === 'symbol' || kind === 'parameter';
    const shown = plain ? fromBytes(bytes.slice(start, end)) : kind === 'comment' ? '' : hidden;
    text += (start > at ? ' ' : '') + shown;
    at = end;
  }
  return text;
}

type Rendered = { readonly text: string; readonly hides: boolean };

function maskedBody(unit: Unit, shows: readonly Shows[]): Rendered {
  let text = '';
  let at = 0;
  let hides = false;
  let index = 0;
  for (const token of unit.tokens) {
    while (index < shows.length - 1 && token.start >= (unit.statements[index]?.statement.end ?? 0))
      index += 1;
    const shown = maskedToken(unit, token, shows[index]);
    hides ||= shown.hides;
    text += fromBytes(unit.bytes.slice(at, token.start)) + shown.text;
    at = token.end;
  }
  text = (text + fromBytes(unit.bytes.slice(at))).trim();
  // Names can carry a secret too.
  const clean = maskDetected(text);
  return { text: clean, hides: hides || clean !== text };
}

function maskedToken(unit: Unit, token: SqlToken, shows: Shows | undefined): Rendered {
  // Comments can carry anything and mean nothing.
  if (token.kind === 'comment') return { text: ' ', hides: false };
  const raw = fromBytes(unit.bytes.slice(token.start, token.end));
  if (token.kind !== 'string' && token.kind !== 'number') return { text: raw, hides: false };
  const isText = token.kind === 'string';
  if (shows?.literal(token.start, raw, isText)) return { text: raw, hides: false };
  return { text: isText ? `'${hidden}'` : hidden, hides: true };
}

function maskedParams(shows: readonly Shows[], params: Params): Rendered {
  let hides = false;
  const list = params.map((value, index) => {
    if (value === null) return `$${index + 1} = null`;
    if (value !== undefined && shows.every((show) => show.param(index + 1, value)))
      return `$${index + 1} = '${value.replaceAll("'", "''")}'`;
    hides = true;
    return `$${index + 1} = '${hidden}'`;
  });
  return { text: list.join(', '), hides };
}

function wordsOf(unit: Unit, judged: Judged, index: number, shows: Shows | undefined): string {
  const { part } = judged;
  const statement = unit.statements[index]?.statement;
  const bound =
    statement && part.effect.bounded
      ? boundText(
          statement,
          part.class,
          (start, raw, isText) => shows?.literal(start, raw, isText) === true,
        )
      : undefined;
  return maskDetected(
    bound === undefined ? part.effect.words : `${part.effect.words}, bounded by ${bound}`,
  );
}
