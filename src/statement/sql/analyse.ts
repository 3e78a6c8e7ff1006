import type { Refused } from '../statement.ts';
import type { Analysis, Masked, NamedThings, Part, PreparedText, SqlSettings } from './analysis.ts';
import type { Catalog } from './catalog.ts';
import { alikeOf } from './alike.ts';
import { closelyOf } from './counting.ts';
import { type SqlToken, fromBytes, toBytes, tokens } from './lexer.ts';
import { maskerOf } from './masked.ts';
import type { Outline } from './outline.ts';
import { meaningOf, meantBy, nothingMeant } from './meaning.ts';
import { type Judged, Refusal, type Statement, type Unit } from './part.ts';
import { schemasOf } from './search-path.ts';

/** Prepared statements and cursors as they will be when the next statement of the same string runs. */
export class Overlay implements NamedThings {
  readonly prepared: Map<string, PreparedText>;
  readonly cursors: Map<string, Part>;
  constructor(named: NamedThings) {
    this.prepared = new Map(named.prepared);
    this.cursors = new Map(named.cursors);
  }

  apply(part: Part): void {
    if (part.prepares) {
      const { name, text, meaning } = part.prepares;
      this.prepared.set(name, { text, types: [], sql: true, meant: meantBy(meaning) });
    }
    if (part.declares) this.cursors.set(part.declares.cursor, part);
    forget(this.prepared, part.deallocates);
    forget(this.cursors, part.closes);
  }
}

function forget(map: Map<string, unknown>, name: string | undefined): void {
  if (name === '*') map.clear();
  else if (name !== undefined) map.delete(name);
}

/** `read`: its tokens, where they were read already. */
export function unitOf(
  text: string,
  outlines: readonly Outline[],
  catalog: Catalog,
  settings: SqlSettings,
  named: NamedThings,
  read?: readonly SqlToken[],
): Unit {
  const bytes = toBytes(text);
  const all = read ?? tokens(bytes);
  const code = all.filter(({ kind }) => kind !== 'comment');
  const path = catalog.usable(schemasOf(settings), settings.user);
  let at = 0;
  const statements = outlines.map((outline) => {
    while ((code[at]?.start ?? outline.start) < outline.start) at += 1;
    const first = at;
    while ((code[at]?.start ?? outline.end) < outline.end) at += 1;
    const own = code.slice(first, at);
    const start = own[0]?.start ?? outline.start;
    const end = Math.max(start, own.at(-1)?.end ?? start);
    const statement: Statement = {
      text: fromBytes(bytes.slice(start, end)),
      bytes,
      start,
      end,
      tokens: own,
      catalog,
      settings,
      path,
      named,
      ...(outline.block && { block: outline.block }),
    };
    return { statement, outline };
  });
  return { bytes, tokens: all, statements };
}

const ends = new Set<Part['control']>([
  'commit',
  'rollback',
  'rollback-to',
  'commit-and-chain',
  'rollback-and-chain',
  'prepare',
]);

/** How values are written and read, not which objects a name means: whoever approves sees it in the same string. */
const reading = new Set([
  'datestyle',
  'intervalstyle',
  'timezone',
  'bytea_output',
  'client_encoding',
]);
const changesMeaning = ({ changesSettings, sets }: Part): boolean =>
  changesSettings && !(sets && reading.has(sets.name));

/** Refuses strings whose later statements would be judged under names or settings that an earlier one changes. */
export function checkOrder(before: readonly Part[], next: Part): void {
  if (next.control || next.class === 'transaction') return;
  // The end of a transaction takes back what was set or defined in it.
  const blocking = before.find(
    (part) => changesMeaning(part) || part.defines || ends.has(part.control),
  );
  if (!blocking) return;
  // Changes of settings in a row depend on nothing that was judged.
  if (blocking.changesSettings && next.changesSettings && next.class !== 'select') return;
  throw new Refusal(
    'one-by-one',
    'a statement after one that changes settings or definitions, or ends a transaction, cannot be judged in the same string',
    'Send the statements one by one.',
  );
}

/** The whole answer for a string that was judged to its end. */
export function analysisOf(
  unit: Unit,
  judged: readonly Judged[],
  catalog: Catalog,
  types: readonly number[],
): Analysis {
  const alike = alikeOf(unit, judged, catalog);
  return {
    parts: judged.map(({ part }) => part),
    definitions: definitions(judged, catalog),
    meaning: meaningOf(unit.statements[0]?.statement.path ?? [], judged),
    parameterTypes: types,
    masker: (isRuled) => maskerOf(unit, judged, catalog, isRuled),
    closely: closelyOf(unit, judged, types),
    ...(alike && { alike }),
  };
}

const unreadable: Masked = { text: '•••', hidesWrite: true, words: [] };

export function refusedAnalysis(refused: Refused): Analysis {
  return {
    parts: [],
    refused,
    definitions: '',
    meaning: nothingMeant,
    parameterTypes: [],
    // What could not be understood may carry anything.
    masker: () => () => unreadable,
  };
}

function definitions(judged: readonly Judged[], catalog: Catalog): string {
  const relations = new Set(judged.flatMap((one) => [...one.relations]));
  const routines = new Set(judged.flatMap((one) => [...one.routines]));
  const lines = [
    ...[...relations].map((oid) => `r${oid}:${catalog.relation(oid).version}`),
    ...[...routines].map((oid) => `f${oid}:${catalog.routine(oid).version}`),
  ];
  return lines.toSorted().join('\n');
}
