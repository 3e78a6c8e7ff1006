import { createHash } from 'node:crypto';
import type { Json, JsonObject } from '../log.ts';
import { kindNames } from '../../mask/detect.ts';
import { readEffects } from '../../statement/recorded.ts';
import { KINDS } from './words.ts';

/** A record as the projection reads it. */
export type Source = {
  readonly index: number | undefined;
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly kind: string;
  readonly session?: string | undefined;
  readonly statement?: string | undefined;
  readonly request?: string | undefined;
  readonly person?: string | undefined;
  readonly agent?: string | undefined;
  readonly target?: string | undefined;
  readonly verdict?: string | undefined;
  /** Undefined once it has been erased. */
  readonly body?: JsonObject | undefined;
};

/** One that is in the tree. */
export type Entry = Source & { readonly index: number };

/** What many rows have in common: a row of `search_facet`. Lists are sorted, and hold each thing once. */
export type Facet = {
  readonly key: string;
  readonly kind: string;
  readonly person: string | null;
  readonly agent: string | null;
  readonly target: string | null;
  readonly verdicts: readonly string[];
  readonly decision: string | null;
  readonly effects: readonly string[];
  readonly tables: readonly string[];
  readonly masked: readonly string[];
  readonly decided_by: readonly string[];
};

/** A row of `search_record`, with its facts still whole. Times are in milliseconds. */
export type SearchRow = {
  readonly at: number;
  readonly id: string;
  readonly index: number;
  readonly facet: Facet;
  readonly session: string | null;
  readonly statement: string | null;
  readonly request: string | null;
  readonly decided_at: number | null;
  readonly rows: number | null;
  readonly duration_ms: number | null;
  readonly waited_ms: number | null;
  readonly code: string | null;
  readonly client: string | null;
  readonly text: string;
};

/** Text beyond this is not searched. */
export const TEXT_MOST = 32_768;
const OWN_ROW: ReadonlySet<string> = new Set(KINDS);
const ENDS: ReadonlySet<string> = new Set([
  'expired',
  'withdrawn',
  'abandoned',
  'changed',
  'refused',
]);

/** A row of an act that is no statement; undefined where it has none of its own, or was erased. */
export function actRow(record: Source): SearchRow | undefined {
  const { kind, body, index } = record;
  if (index === undefined || body === undefined || kind === 'statement' || !OWN_ROW.has(kind))
    return undefined;
  const said = kind === 'decision' ? textOf(body['decision']) : undefined;
  return {
    ...placeOf(record, index),
    facet: facetOf(record, {
      decision: said === undefined ? null : said === 'approve' ? 'approved' : 'denied',
    }),
    decided_at: null,
    rows: null,
    duration_ms: null,
    waited_ms: null,
    code: textOf(body['code']) ?? null,
    text: cut(stringsOf(body).join('\n')),
  };
}

/**
 * The row of a statement, from all records of it in any order; `effects` are the texts that bodies name. Undefined while
 * its first record is not in the tree, and once that was erased.
 */
export function statementRow(
  records: readonly Source[],
  effects: ReadonlyMap<string, string>,
): SearchRow | undefined {
  const first = records.find(({ kind }) => kind === 'statement');
  if (first?.body === undefined || first.index === undefined) return undefined;
  const { body } = first;
  const became = becomes(first, records);
  const does = doesWhat(body, effects);
  const text = searchedText(body);
  const { decided, ended, claimed } = became;
  const waited = ended === undefined ? null : Math.max(0, ended - first.at);
  return {
    ...placeOf(first, first.index),
    facet: facetOf(first, {
      verdicts: [first.verdict ?? [], claimed ? 'approved' : []].flat(),
      decision: became.decision,
      decided_by: decided.flatMap(({ person }) => person ?? []),
      masked: hidden(body, text),
      ...does,
    }),
    decided_at: decided.at(-1)?.at ?? null,
    waited_ms: waited,
    ...outcomeOf(records),
    text,
  };
}

function becomes(first: Source, records: readonly Source[]) {
  const decided = records
    .filter(({ kind, body }) => kind === 'decision' && body !== undefined)
    .toSorted((a, b) => a.at - b.at);
  const claim = records.find(({ kind }) => kind === 'claim');
  const end = records.find(
    ({ kind, body }) => kind === 'request' && ENDS.has(textOf(body?.['event']) ?? ''),
  );
  const denial = decided.find(({ body }) => textOf(body?.['decision']) === 'deny');
  const decision = claim
    ? 'approved'
    : (textOf(end?.body?.['event']) ?? (denial ? 'denied' : 'waiting'));
  return {
    decided,
    claimed: claim !== undefined,
    decision: first.verdict === 'hold' ? decision : null,
    ended: (claim ?? end ?? denial)?.at,
  };
}

function outcomeOf(records: readonly Source[]) {
  const body = records.find(({ kind }) => kind === 'outcome')?.body ?? {};
  return {
    rows: numberOf(body['rows']),
    duration_ms: numberOf(body['durationMs']),
    code: body['unknown'] === true ? 'unknown' : (textOf(body['code']) ?? null),
  };
}

type Does = Pick<Facet, 'effects' | 'tables'>;

/** Few statements do something that none did before. */
const known = new Map<string, Does>();
const MOST_KNOWN = 1000;

/** By the shared effects where the record names them, else by its classes alone. */
function doesWhat(body: JsonObject, shared: ReadonlyMap<string, string>): Does {
  const classes = stringsOf(body['class'] ?? []);
  const text = shared.get(textOf(body['effects']) ?? '');
  const key = JSON.stringify([classes, text]);
  const before = known.get(key);
  if (before) return before;
  if (known.size >= MOST_KNOWN) known.clear();
  const does = readDoes(classes, text);
  known.set(key, does);
  return does;
}

function readDoes(classes: readonly string[], text: string | undefined): Does {
  const accesses = text === undefined ? [] : readEffects(text).flatMap((each) => each.accesses);
  const actions = accesses.map(({ action }) => action).filter((action) => action !== 'connect');
  const tables = accesses.flatMap(({ resource }) =>
    resource.type === 'Table' ? [resource.path.slice(1).join('.')] : [],
  );
  return { effects: [...classes, ...actions], tables };
}

/** Columns that went out masked, how, and the kinds that detectors have left a mark of in the text. */
function hidden(body: JsonObject, text: string): readonly string[] {
  const columns = Object.entries(objectOf(body['masked'])).flatMap(([id, how]) => [
    decodeURIComponent(
      id
        .split('/')
        .slice(1)
        .join('.')
        .replaceAll(/%(?!25|2F|22)/g, '%25'),
    ),
    textOf(how) ?? [],
  ]);
  return [...columns.flat(), ...markedKinds(text)];
}

/** `[card]`: what a detector puts in place of a value. */
export const markedKinds = (text: string): readonly string[] =>
  Array.from(text.matchAll(/\[([a-z][a-z0-9-]*)\]/g), ([, kind = '']) => kind).filter((kind) =>
    kindNames.has(kind),
  );

function searchedText(body: JsonObject): string {
  const parts = ['text', 'words', 'message', 'reason', 'purpose', 'rules', 'application'];
  return cut(parts.flatMap((name) => stringsOf(body[name] ?? [])).join('\n'));
}

function placeOf(record: Source, index: number) {
  const { at, id, session, statement, request, body } = record;
  return {
    at,
    id,
    index,
    session: session ?? null,
    statement: statement ?? null,
    request: request ?? null,
    client: textOf(body?.['client']) ?? null,
  };
}

const sorted = (list: readonly string[]): readonly string[] =>
  [...new Set(list.map((each) => each.toLowerCase()))].toSorted();

function facetOf(
  { kind, person, agent, target, verdict }: Source,
  more: Partial<Omit<Facet, 'key' | 'kind' | 'person' | 'agent' | 'target'>>,
): Facet {
  const facts = {
    kind,
    person: person ?? null,
    agent: agent ?? null,
    target: target ?? null,
    verdicts: sorted(more.verdicts ?? [verdict ?? []].flat()),
    decision: more.decision ?? null,
    effects: sorted(more.effects ?? []),
    tables: sorted(more.tables ?? []),
    masked: sorted(more.masked ?? []),
    decided_by: sorted(more.decided_by ?? []),
  };
  return { key: digestOf(JSON.stringify(Object.values(facts))), ...facts };
}

const digestOf = (text: string): string =>
  createHash('sha256').update(text).digest('base64url').slice(0, 22);

/** What the store takes: no NUL, no half of a pair. */
const cut = (text: string): string =>
  text.slice(0, TEXT_MOST).toWellFormed().replaceAll('\0', '\u{fffd}');

const textOf = (value: Json | undefined): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;
const numberOf = (value: Json | undefined): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null;
const objectOf = (value: Json | undefined): JsonObject =>
  typeof value === 'object' && value !== null && !isList(value) ? value : {};
const isList = (value: Json): value is readonly Json[] => Array.isArray(value);

/** Every text in a value, however deep. */
function stringsOf(value: Json): readonly string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return (isList(value) ? value : Object.values(value)).flatMap(stringsOf);
}
