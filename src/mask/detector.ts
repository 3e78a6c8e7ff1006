import type { Range, Rule } from './detectors/rule.ts';
import { decoded } from './encoded.ts';
import { engine, type Engine, type Match, type Matcher } from './engine.ts';
import { extentOf } from './extent.ts';
import { Gate, type Places } from './gate.ts';
import { undisguised, type View } from './view.ts';

/** A sensitive value in a text: `[start, end)` in UTF-16 units. */
export type Span = { readonly kind: string; readonly start: number; readonly end: number };

type Ready = {
  readonly rule: Rule;
  /** A shorter rest of the text cannot match. */
  readonly least: number;
  readonly most: number;
  /** Compiled when it is first needed: most rules never are. */
  matcher: Matcher | undefined;
};

/**
 * Finds what some rules describe. One pass finds where their literals are; only there, rules are tried, each on at most
 * as many characters as it can match. What a rule has matched is not tried with it again, so that the work is in
 * proportion to the text.
 */
export class Detector {
  readonly #gate: Gate;
  readonly #rules: readonly Ready[];
  readonly #digits: readonly Ready[];
  readonly #engine: Engine;
  readonly kinds: ReadonlySet<string>;

  constructor(rules: readonly Rule[], using: Engine = engine()) {
    this.#engine = using;
    this.kinds = new Set(rules.map(({ kind }) => kind));
    this.#gate = new Gate(rules);
    this.#rules = rules.map((rule) => {
      const { least, most } = extentOf(rule.pattern);
      // A letter may be two units; one more character shows where a word ends.
      const units = /\p|\[\^/.test(rule.pattern) ? 2 : 1;
      return { rule, least, most: most * units + 2, matcher: undefined };
    });
    this.#digits = this.#rules.filter(({ rule }) => rule.literals === 'digits');
  }

  /**
   * Where bytes (UTF-8, or one byte a character) may hold something. Undefined: nowhere, which is so for most cells, and
   * all that they cost. The places are those of the text too when all bytes are ASCII.
   */
  look(bytes: Uint8Array): Places | undefined {
    return this.#gate.scan(bytes, bytes.length);
  }

  /** The same of a text. */
  places(text: string): Places | undefined {
    if (text.length > scratch.length) scratch = Buffer.allocUnsafeSlow(text.length * 2);
    // One byte a unit, so that places are the same.
    const length = scratch.write(
      isAscii.test(text) ? text : text.replace(/[^\0-\x7f]/g, '\x80'),
      'latin1',
    );
    const places = this.#gate.scan(scratch, length);
    if (scratch.length > KEPT) scratch = Buffer.allocUnsafeSlow(KEPT);
    return places;
  }

  /**
   * What a text holds, in no order; disguised and encoded values too. `places` are its own. Undefined: there are more than
   * `most` places to look at, so that nobody knows.
   */
  find(text: string | View, places: Places, most: number): Span[] | undefined {
    const bare = places.disguised ? undisguised(text) : undefined;
    const below = bare && this.places(bare.text);
    if (countOf(places) + (below ? countOf(below) : 0) > most) return undefined;
    const found: Span[] = [];
    this.#search(text, places, found);
    if (bare && below) this.#search(bare, below, found);
    return found;
  }

  #search(within: View | string, places: Places, into: Span[]): void {
    const text = typeof within === 'string' ? within : within.text;
    const add = (kind: string, range: Range): void => {
      const [start, end] = typeof within === 'string' ? range : within.original(range);
      into.push({ kind, start, end });
    };
    this.#direct(text, places, add);
    for (let index = 0; index < places.words.length; index += 2) {
      const run: Range = [places.words[index] ?? 0, places.words[index + 1] ?? 0];
      const plain = decoded(text, run);
      const kind = plain === undefined ? undefined : this.#first(plain);
      if (kind !== undefined) add(kind, run);
    }
  }

  /** The kind of the first value in what was decoded, which is not decoded again. */
  #first(text: string): string | undefined {
    const places = this.places(text);
    let first: string | undefined;
    if (places) this.#direct(text, places, (kind) => (first ??= kind));
    return first;
  }

  #direct(text: string, places: Places, add: (kind: string, range: Range) => void): void {
    const resume = new Int32Array(this.#rules.length);
    const { literals, digits } = places;
    for (let index = 0; index < literals.length; index += 2) {
      const number = literals[index] ?? 0;
      const at = literals[index + 1] ?? 0;
      const ready = this.#rules[number];
      if (!ready || at < (resume[number] ?? 0)) continue;
      const match = this.#match(ready, text, at);
      if (match) resume[number] = accept(ready.rule, text, match, add);
    }
    for (let index = 0; index < digits.length; index += 2)
      for (const { rule } of this.#digits)
        accept(rule, text, { start: digits[index] ?? 0, end: digits[index + 1] ?? 0 }, add);
  }

  #match(ready: Ready, text: string, at: number): Match | undefined {
    if (text.length - at < ready.least) return undefined;
    const matcher = (ready.matcher ??= this.#engine.compile(ready.rule.pattern));
    const match = matcher(text.slice(at, at + ready.most));
    return match && { start: at + match.start, end: at + match.end };
  }
}

const countOf = ({ literals, digits, words }: Places): number =>
  (literals.length + digits.length + words.length) / 2;

/** A larger one is not kept. */
const KEPT = 1024 * 1024;
let scratch = Buffer.allocUnsafeSlow(4096);

// oxlint-disable-next-line no-control-regex -- the whole of ASCII is meant
const isAscii = /^[\x00-\x7f]*$/;

/** Hands on what of a match is a value, and returns from where the rule is tried again. */
function accept(
  rule: Rule,
  text: string,
  match: Match,
  add: (kind: string, range: Range) => void,
): number {
  const ranges = rule.reach
    ? rule.reach(text, match.start, match.end)
    : [[match.start, match.end] as const];
  let resume = 0;
  for (const range of ranges) {
    if (rule.valid && !rule.valid(text.slice(range[0], range[1]))) continue;
    add(rule.kind, range);
    resume = Math.max(resume, range[1]);
  }
  return resume;
}

/** In order; overlapping spans become one, named by the longest. */
export function merged(spans: readonly Span[]): readonly Span[] {
  if (spans.length < 2) return spans;
  const result: Span[] = [];
  let longestYet = 0;
  for (const span of spans.toSorted((a, b) => a.start - b.start || b.end - a.end)) {
    const last = result.at(-1);
    if (!last || span.start >= last.end) {
      result.push(span);
      longestYet = span.end - span.start;
      continue;
    }
    const longer = span.end - span.start > longestYet;
    if (longer) longestYet = span.end - span.start;
    const kind = longer ? span.kind : last.kind;
    result[result.length - 1] = { kind, start: last.start, end: Math.max(last.end, span.end) };
  }
  return result;
}
