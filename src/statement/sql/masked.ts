import type { Resource } from '../effect.ts';
import type { IsRuled, Masked } from './analysis.ts';
import type { Unit } from './analyse.ts';
import type { Catalog } from './catalog.ts';
import { type SqlToken, fromBytes } from './lexer.ts';
import type { LiteralContext } from './literals.ts';
import type { Judged } from './part.ts';

const hidden = '•••';

/** The string without comments, its literals replaced unless they may be read by everyone who reads the channel. */
export function maskedText(
  unit: Unit,
  judged: readonly Judged[],
  catalog: Catalog,
  isRuled: IsRuled,
  params: readonly (string | null | undefined)[],
): Masked {
  const shows = judged.map((one) => new Shows(one, catalog, isRuled));
  let hides = false;
  const replace = (token: SqlToken): string => {
    const raw = fromBytes(unit.bytes.slice(token.start, token.end));
    if (token.kind === 'comment') return ' ';
    if (token.kind !== 'string' && token.kind !== 'number') return raw;
    const index = unit.statements.findIndex(({ statement }) => token.start < statement.end);
    if (shows[index]?.literal(token, raw)) return raw;
    hides = true;
    return token.kind === 'string' ? `'${hidden}'` : hidden;
  };
  const render = (list: readonly SqlToken[], from: number, to: number): string => {
    let text = '';
    let at = from;
    for (const token of list) {
      text += fromBytes(unit.bytes.slice(at, token.start)) + replace(token);
      at = token.end;
    }
    return text + fromBytes(unit.bytes.slice(at, to));
  };
  const text = render(unit.tokens, 0, unit.bytes.length).trim();
  const words = judged.map(({ part }) => part.effect.words);
  const given = params.map((value, index) => {
    if (value === null || value === undefined) return `$${index + 1} = null`;
    if (shows.every((show) => show.param(index + 1, value)))
      return `$${index + 1} = '${value.replaceAll("'", "''")}'`;
    hides = true;
    return `$${index + 1} = '${hidden}'`;
  });
  const writes = judged.some(({ part }) =>
    part.effect.accesses.some(({ action }) => action !== 'read'),
  );
  return {
    text: given.length === 0 ? text : `${text}\n-- ${given.join(', ')}`,
    hidesWrite: hides && writes,
    words,
  };
}

/** Which literals of one statement may be shown. */
class Shows {
  readonly #judged: Judged;
  readonly #isRuled: IsRuled;
  readonly #ruled: boolean;
  readonly #ruledView: boolean;
  constructor(judged: Judged, catalog: Catalog, isRuled: IsRuled) {
    this.#judged = judged;
    this.#isRuled = isRuled;
    const { relations } = judged;
    const opaque = judged.part.effect.opaque === true;
    this.#ruled =
      catalog.allColumns(relations).some(isRuled) || (opaque && catalog.hasRuled(isRuled));
    const views = [...relations].filter((oid) => catalog.relation(oid).kind === 'v');
    this.#ruledView = catalog.allColumns(views).some(isRuled);
  }

  literal(token: SqlToken, raw: string): boolean {
    if (this.#judged.secret && token.kind === 'string') return false;
    if (!this.#ruled) return isHarmless(raw);
    const { facts, factsStart } = this.#judged;
    if (!facts || factsStart === undefined) return false;
    return this.#may(facts.literals.at.get(token.start - factsStart)) && isHarmless(raw);
  }

  param(index: number, value: string): boolean {
    if (!this.#ruled) return isHarmless(value);
    return this.#may(this.#judged.facts?.literals.params.get(index)) && isHarmless(value);
  }

  #may(context: LiteralContext): boolean {
    return (
      context !== undefined &&
      !this.#ruledView &&
      !context.some((column: Resource) => this.#isRuled(column))
    );
  }
}

function isHarmless(_text: string): boolean {
  return true;
}
