import { isUtf8 } from 'node:buffer';
import { Detector, type Span } from './detector.ts';
import { rules } from './detectors/all.ts';
import type { Range } from './detectors/rule.ts';
import { arrayLeaves, jsonLeaves, type Leaf } from './structure.ts';
import { unescapedArray, unescapedJson } from './view.ts';

/** Names of what can be found, for masks such as `detect:email,card`; some are found only where a mask names them. */
export const kindNames: ReadonlySet<string> = new Set(rules.map(({ kind }) => kind));

/** The kinds that are looked for when none are named. */
export const defaultKinds: ReadonlySet<string> = new Set(
  rules.filter(({ optIn }) => !optIn).map(({ kind }) => kind),
);

/**
 * True when the text holds something that looks like personal data or a secret of the default kinds (docs/masking.md),
 * also where it is disguised or encoded once. In proportion to the text's length. A net for what slips through, no
 * boundary against somebody hostile.
 */
export function detect(text: string): boolean {
  return looked(text, detectorOf(defaultKinds)).spans.length > 0;
}

/** The text with every detected value of the default kinds replaced by its kind: `[email]`. */
export function maskDetected(text: string): string {
  return masked(text, detectorOf(defaultKinds));
}

/**
 * One cell with every detected value of these kinds (the default ones when not given) replaced. JSON and PostgreSQL's
 * arrays stay what they are. Undefined: nothing was found, and the same bytes may go out. The cell is not changed; it is
 * taken as UTF-8, or, when it is none, as one byte a character. Names that are no kind find nothing.
 */
export function maskDetectedBytes(cell: Buffer, kinds = defaultKinds): Buffer | undefined {
  const detector = detectorOf(kinds);
  if (detector.passes(cell)) return undefined;
  const encoding = isUtf8(cell) ? 'utf8' : 'latin1';
  const text = cell.toString(encoding);
  const result = masked(text, detector);
  return result === text ? undefined : Buffer.from(result, encoding);
}

/** How many values of which default kind a text holds. */
export function findings(text: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { kind } of looked(text, detectorOf(defaultKinds)).spans)
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

const detectors = new Map<string, Detector>();
const bySet = new WeakMap<ReadonlySet<string>, Detector>();

/** Made once for each choice of kinds; rules name few. */
function detectorOf(kinds: ReadonlySet<string>): Detector {
  let detector = bySet.get(kinds);
  if (detector) return detector;
  const names = [...kinds].toSorted().join();
  detector = detectors.get(names);
  if (!detector) {
    detector = new Detector(rules.filter(({ kind }) => kinds.has(kind)));
    detectors.set(names, detector);
  }
  bySet.set(kinds, detector);
  return detector;
}

/** What is written in place of a value. */
const label = (kind: string): string => `[${kind.replaceAll('-', ' ')}]`;
const labels: ReadonlySet<string> = new Set([...kindNames].map(label));

type Form = 'json' | 'array' | 'text';
type Looked = {
  readonly form: Form;
  readonly spans: readonly Span[];
  readonly leaves: readonly Leaf[];
};

const clean: Looked = { form: 'text', spans: [], leaves: [] };

/** The values in a text, each within one leaf where the text has a structure. */
function looked(text: string, detector: Detector): Looked {
  if (!detector.mayHold(text)) return clean;
  const json = jsonLeaves(text);
  if (json) {
    const spans = detector.find(unescapedJson(text) ?? text);
    return { form: 'json', spans: inLeaves(text, json, spans, detector), leaves: json };
  }
  const elements = arrayLeaves(text);
  if (!elements) return { form: 'text', spans: detector.find(text), leaves: [] };
  const spans = detector.find(unescapedArray(text) ?? text);
  return { form: 'array', spans: inLeaves(text, elements, spans, detector), leaves: elements };
}

/** Spans cut to the leaves they lie in, and all of what is secret by its key. */
function inLeaves(
  text: string,
  leaves: readonly Leaf[],
  spans: readonly Span[],
  detector: Detector,
): Span[] {
  const result: Span[] = [];
  let next = 0;
  for (const leaf of leaves) {
    const [start, end] = inside(leaf);
    while ((spans[next]?.end ?? end) <= start) next += 1;
    const { secret } = leaf;
    if (secret !== undefined && detector.kinds.has(secret) && isValue(text.slice(start, end)))
      result.push({ kind: secret, start, end });
    else result.push(...cut(spans, next, start, end));
  }
  return result;
}

const inside = ({ quoted, start, end }: Leaf): Range =>
  quoted ? [start + 1, end - 1] : [start, end];

function cut(spans: readonly Span[], from: number, start: number, end: number): Span[] {
  const result: Span[] = [];
  for (let index = from; index < spans.length; index += 1) {
    const span = spans[index];
    if (!span || span.start >= end) break;
    result.push({
      kind: span.kind,
      start: Math.max(span.start, start),
      end: Math.min(span.end, end),
    });
  }
  return result;
}

const isValue = (text: string): boolean =>
  text !== '' && !labels.has(text) && !/^(?:null|true|false)$/.test(text);

/** More often, what is hidden does not show anything new. */
const ROUNDS = 4;

/** What is taken out can show what it stood beside, so one looks again until nothing is found. */
function masked(text: string, detector: Detector): string {
  let result = text;
  for (let round = 0; round < ROUNDS; round += 1) {
    const found = looked(result, detector);
    if (found.spans.length === 0) return result;
    result = rendered(result, found);
  }
  const left = looked(result, detector).spans[0];
  return left ? label(left.kind) : result;
}

function rendered(text: string, { form, spans, leaves }: Looked): string {
  if (form === 'text') return replaced(text, spans, 0, text.length);
  let result = '';
  let end = 0;
  let next = 0;
  for (const leaf of leaves) {
    const first = next;
    while (next < spans.length && (spans[next]?.start ?? 0) < leaf.end) next += 1;
    if (next === first) continue;
    const within = spans.slice(first, next);
    result += text.slice(end, leaf.start) + maskedLeaf(text, leaf, within, form);
    end = leaf.end;
  }
  return result + text.slice(end);
}

/** What has no quotes gets them: a number would be none any more, and a blank would end an element. */
function maskedLeaf(text: string, leaf: Leaf, spans: readonly Span[], form: Form): string {
  if (leaf.quoted) return replaced(text, spans, leaf.start, leaf.end);
  if (form === 'json') return `"${label(spans[0]?.kind ?? '')}"`;
  return `"${replaced(text, spans, leaf.start, leaf.end)}"`;
}

function replaced(text: string, spans: readonly Span[], from: number, to: number): string {
  let result = '';
  let end = from;
  for (const span of spans) {
    result += text.slice(end, span.start) + label(span.kind);
    end = span.end;
  }
  return result + text.slice(end, to);
}
