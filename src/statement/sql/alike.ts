import { detect, maskDetected } from '#src/mask/detect.ts';
import type { Alike, Analysis, Given, IsRuled, Masked } from './analysis.ts';
import type { Catalog } from './catalog.ts';
import type { Literal } from './fingerprint.ts';
import { maskerOf } from './masked.ts';
import { hidden } from './bound-text.ts';
import {
  type Tree,
  type TreeNode,
  children,
  flag,
  isList,
  isNode,
  number,
  numberOr0,
} from './nodetree.ts';
import type { Judged, Unit } from './part.ts';
import { type Resolved, resolved } from './shape.ts';
import { Shows } from './shows.ts';

/** Undefined for what is more than one query, for what writes, and for what others may not read as it is. */
export function alikeOf(
  unit: Unit,
  judged: readonly Judged[],
  catalog: Catalog,
): Alike | undefined {
  const one = resolved(judged);
  if (!one || !isPlain(one) || unit.tokens.some(({ kind }) => kind === 'comment')) return undefined;
  return {
    free: (literals) => freeIn(one, unit, literals),
    masker: (literals, isRuled) => templateOf(one, unit, literals, catalog, isRuled),
  };
}

/** Only reads: how far the constants of a write bound it is part of what was analysed. */
function isPlain({ judged: { part }, facts }: Resolved): boolean {
  return part.class === 'select' && facts.uses.writes === 0 && !part.changesSettings;
}

function freeIn(
  one: Resolved,
  unit: Unit,
  literals: readonly Literal[],
): readonly boolean[] | undefined {
  if (detect(unit.bytes)) return undefined;
  const constants = constantsOf(one);
  const free = literals.map((literal) => {
    const [found, ...others] = constants.get(literal.start - one.start) ?? [];
    return (
      found !== undefined &&
      others.length === 0 &&
      isToken(unit, literal) &&
      isCompared(found) &&
      saysTheSame(found.node, unit.bytes.slice(literal.start, literal.end), literal.isText)
    );
  });
  return free.includes(true) ? free : undefined;
}

/** `apart`: it stands where no other expression of the query is compared with the one that holds it. */
type Found = {
  readonly node: TreeNode;
  readonly parent: TreeNode | undefined;
  readonly apart: boolean;
};

/**
 * Where constants decide nothing but which rows there are. What is grouped, sorted or made distinct by is the same
 * expression as another one only if its constants are the same.
 */
const APART: Readonly<Record<string, ReadonlySet<string>>> = {
  QUERY: new Set(['jointree', 'rtable', 'cteList']),
  RANGETBLENTRY: new Set(['subquery']),
  COMMONTABLEEXPR: new Set(['ctequery']),
};

/** The constants of the trees, by the byte where they start in the text that was analysed. */
function constantsOf({ facts }: Resolved): ReadonlyMap<number, readonly Found[]> {
  const constants = new Map<number, Found[]>();
  const visit = (value: Tree | undefined, parent: TreeNode | undefined, apart: boolean): void => {
    if (isList(value)) for (const item of value) visit(item, parent, apart);
    else if (isNode(value)) {
      if (value.tag === 'CONST') {
        const at = numberOr0(value, 'location');
        constants.set(at, [...(constants.get(at) ?? []), { node: value, parent, apart }]);
      }
      const allowed = APART[value.tag];
      for (const [key, field] of value.fields)
        visit(field, value, apart && (allowed?.has(key) ?? true));
    }
  };
  for (const { query } of facts.scopes) visit(query, undefined, true);
  return constants;
}

/** It is the same token by the lexer that everything else goes by. */
function isToken({ tokens }: Unit, { start, end, isText }: Literal): boolean {
  const kind = isText ? 'string' : 'number';
  return tokens.some((token) => token.start === start && token.end === end && token.kind === kind);
}

/** `column = 1`: a side of an operator whose other side is a bare column. */
function isCompared({ node, parent, apart }: Found): boolean {
  if (!apart || parent?.tag !== 'OPEXPR') return false;
  const args = children(parent, 'args');
  const other = args.find((arg) => arg !== node);
  return args.length === 2 && args.includes(node) && other !== undefined && isColumn(other);
}

function isColumn(node: TreeNode): boolean {
  const [inner] = node.tag === 'RELABELTYPE' ? [node.fields.get('arg')] : [node];
  return isNode(inner) && inner.tag === 'VAR';
}

const INT4 = 23;
/** text, bpchar and varchar take any string as it is. */
const TEXTS = new Set([25, 1042, 1043]);

/** The tree holds the very value that the text says, in a type that any other literal of its kind gets too. */
function saysTheSame(node: TreeNode, raw: string, isText: boolean): boolean {
  const bytes = node.fields.get('constvalue');
  if (flag(node, 'constisnull') || !isList(bytes)) return false;
  const type = number(node, 'consttype');
  const own = Buffer.from(bytes.map((byte) => Number(byte) & 255));
  if (!isText) return type === INT4 && own.length >= 4 && own.readInt32LE() === Number(raw);
  // Four bytes of length first.
  return TEXTS.has(type) && own.length >= 4 && own.toString('latin1', 4) === raw.slice(1, -1);
}

/** Pieces of text, and numbers of literals that stand between them. */
function templateOf(
  one: Resolved,
  unit: Unit,
  literals: readonly Literal[],
  catalog: Catalog,
  isRuled: IsRuled,
): (given: Given) => Masked {
  const { words } = maskerOf(unit, [one.judged], catalog, isRuled)();
  const shows = new Shows(one.judged, catalog, isRuled, true);
  const shown = unit.tokens.flatMap(({ kind, start, end }) => {
    if (kind !== 'string' && kind !== 'number') return [];
    const isText = kind === 'string';
    const may = shows.literal(start, unit.bytes.slice(start, end), isText);
    return [{ start, end, may, hides: isText ? `'${hidden}'` : hidden }];
  });
  // A read hides nothing of a write.
  const plain = { hidesWrite: false, words };
  const all = shown.every(({ may }) => may);
  if (all)
    return ({ text }) => ({
      text: text.trim() === text ? text : maskDetected(text.trim()),
      ...plain,
    });
  const numbers = new Map(literals.map(({ start }, index) => [start, index]));
  return (given) => {
    let text = '';
    let [at, moved] = [0, 0];
    for (const { start, end, may, hides } of shown) {
      const index = numbers.get(start);
      const own = index === undefined ? undefined : given.literals[index];
      const [from, to] = own ? [own.start, own.end] : [start + moved, end + moved];
      text += given.text.slice(at, from) + (may ? given.text.slice(from, to) : hides);
      [at, moved] = [to, to - end];
    }
    return { text: maskDetected((text + given.text.slice(at)).trim()), ...plain };
  };
}

/** The analysis of a text that is another one but for its free literals. `whole` analyses it as if nothing were known. */
export function likeness(
  base: Analysis,
  alike: Alike,
  literals: readonly Literal[],
  given: Given,
  whole: () => Promise<Analysis>,
): Analysis {
  const { closely: _, alike: __, ...same } = base;
  return {
    ...same,
    like: { base, given, literals, whole },
    masker: (isRuled) => {
      const masker = alike.masker(literals, isRuled);
      return () => masker(given);
    },
  };
}

/** With the tree of its own, which what shares the analysis of another text has not. */
export async function wholeOf(analysis: Analysis): Promise<Analysis> {
  return analysis.like ? analysis.like.whole() : analysis;
}
