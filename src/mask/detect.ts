import { isUtf8 } from 'node:buffer';
import { Detector, merged, type Span } from './detector.ts';
import { rules } from './detectors/all.ts';
import type { Places } from './gate.ts';
import { arrayLeaves, jsonLeaves, type Leaf } from './structure.ts';
import { unescapedArray, unescapedJson, type View } from './view.ts';

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
  return lookAt(text).spans.length > 0;
}

/** The text with every detected value of the default kinds replaced by its kind: `[email]`. */
export function maskDetected(text: string): string {
  return masked(text, detectorOf(defaultKinds));
}

/**
 * One cell with every detected value of these kinds (the default ones when not given) replaced. JSON and PostgreSQL's
 * arrays stay what they are. Undefined: nothing was found, and the same bytes may go out. The cell is not changed; it is
 * taken as UTF-8, or, when it is none, as one byte a character. Names that are no kind find nothing.
 * What would take too long to look at is replaced whole: more than 16 MiB, or more than 20,000 places where something may be.
 */
export function maskDetectedBytes(cell: Buffer, kinds = defaultKinds): Buffer | undefined {
  if (cell.length > MOST_BYTES) return Buffer.from(label(TOO_LARGE));
  const detector = detectorOf(kinds);
  const places = detector.look(cell);
  if (!places) return undefined;
  const encoding = places.ascii || !isUtf8(cell) ? 'latin1' : 'utf8';
  const text = cell.toString(encoding);
  const result = masked(text, detector, {
    places: places.ascii ? places : undefined,
    tally: counts,
    most: MOST_PLACES,
  });
  return result === text ? undefined : Buffer.from(result, encoding);
}

const counts = new Map<string, number>();

/** How many values were replaced in cells since the process began, by kind. */
export const maskedValues: ReadonlyMap<string, number> = counts;

/** How many values of which default kind a text holds. */
export function findings(text: string): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  count(lookAt(text).spans, found);
  return found;
}

function count(spans: readonly Span[], into: Map<string, number>): void {
  for (const { kind } of spans) into.set(kind, (into.get(kind) ?? 0) + 1);
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

/** A larger cell would keep everybody else waiting. */
const MOST_BYTES = 16 * 1024 * 1024;
/** Some megabytes of usual text have so many. Statements have no such limit: nobody may hide in a crowd what they ran. */
const MOST_PLACES = 20_000;
/** What stands in place of all of a cell that could not be looked at. */
const TOO_LARGE = 'too-large';

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
function look(
  text: string,
  detector: Detector,
  places: Places | undefined,
  most = Number.POSITIVE_INFINITY,
): Looked {
  if (!places) return clean;
  const [form, leaves, view] = structureOf(text);
  const within = view && detector.places(view.text);
  const found = view
    ? within
      ? detector.find(view, within, most)
      : []
    : detector.find(text, places, most);
  if (!found) return { ...clean, spans: [{ kind: TOO_LARGE, start: 0, end: text.length }] };
  const spans = form === 'text' ? found : inLeaves(text, leaves, found, detector);
  return { form, leaves, spans: merged(spans) };
}

function lookAt(text: string): Looked {
  const detector = detectorOf(defaultKinds);
  return look(text, detector, detector.places(text));
}

/** What holds the text together, and the text as it reads where its form has escapes. */
function structureOf(text: string): readonly [Form, readonly Leaf[], View | undefined] {
  const json = jsonLeaves(text);
  if (json) return ['json', json, unescapedJson(text)];
  const elements = arrayLeaves(text);
  return elements ? ['array', elements, unescapedArray(text)] : ['text', [], undefined];
}

/** Spans cut to the leaves in which they begin, and all of what is secret by its key. */
function inLeaves(
  text: string,
  leaves: readonly Leaf[],
  spans: readonly Span[],
  detector: Detector,
): Span[] {
  const result: Span[] = [];
  const waiting = spans.toSorted((a, b) => a.start - b.start);
  let next = 0;
  for (const leaf of leaves) {
    const [start, end] = leaf.quoted ? [leaf.start + 1, leaf.end - 1] : [leaf.start, leaf.end];
    const { secret } = leaf;
    if (secret !== undefined && detector.kinds.has(secret) && isValue(text.slice(start, end)))
      result.push({ kind: secret, start, end });
    for (; next < waiting.length; next += 1) {
      const span = waiting[next];
      if (!span || span.start >= end) break;
      const cut = { start: Math.max(span.start, start), end: Math.min(span.end, end) };
      if (cut.start < cut.end) result.push({ kind: span.kind, ...cut });
    }
  }
  return result;
}

const isValue = (text: string): boolean =>
  text !== '' && !labels.has(text) && !/^(?:null|true|false)$/.test(text);

/** More often, what is hidden does not show anything new. */
const ROUNDS = 16;

type Cell = {
  /** Of the text, where they are known. */
  readonly places: Places | undefined;
  readonly tally: Map<string, number>;
  readonly most: number;
};

/** What is taken out can show what it stood beside, so one looks again until nothing is found. */
function masked(text: string, detector: Detector, cell?: Cell): string {
  let result = text;
  for (let round = 0; round < ROUNDS; round += 1) {
    const places = (round === 0 && cell?.places) || detector.places(result);
    const found = look(result, detector, places, cell?.most);
    if (found.spans.length === 0) return result;
    if (cell) count(found.spans, cell.tally);
    result = rendered(result, found);
  }
  const { form, spans } = look(result, detector, detector.places(result));
  if (!spans[0]) return result;
  const all = label(spans[0].kind);
  return form === 'json' ? `"${all}"` : form === 'array' ? `{"${all}"}` : all;
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
