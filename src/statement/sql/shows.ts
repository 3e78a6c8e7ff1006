import { detect } from '#src/mask/detect.ts';
import type { Resource } from '../effect.ts';
import type { IsRuled } from './analysis.ts';
import type { Catalog } from './catalog.ts';
import type { LiteralContext } from './literals.ts';
import type { Judged } from './part.ts';

// Characters; nobody reads more of one value, and looking through it takes time.
const longestParam = 65_536;

/** Which literals of one statement may be shown to everyone who reads the channel. */
export class Shows {
  readonly #judged: Judged;
  readonly #isRuled: IsRuled;
  readonly #ruled: boolean;
  readonly #ruledView: boolean;

  readonly #clean: boolean;

  /** `clean`: no detector hits anywhere in the string. */
  constructor(judged: Judged, catalog: Catalog, isRuled: IsRuled, clean: boolean) {
    this.#clean = clean;
    this.#judged = judged;
    this.#isRuled = isRuled;
    const { relations } = judged;
    const opaque = judged.part.effect.opaque === true;
    this.#ruled =
      catalog.allColumns(relations).some(isRuled) || (opaque && catalog.hasRuled(isRuled));
    const views = [...relations].filter((oid) => catalog.relation(oid).kind === 'v');
    // What is assigned to a view is known by the table's column only, so a rule on the view hides everything.
    this.#ruledView = catalog.allColumns(views).some(isRuled);
  }

  literal(start: number, raw: string, isText: boolean): boolean {
    if ((!this.#clean && detect(raw)) || (this.#judged.secret === true && isText)) return false;
    if (!this.#ruled) return true;
    const { facts, factsStart } = this.#judged;
    return (
      facts !== undefined &&
      factsStart !== undefined &&
      this.#may(facts.literals.at.get(start - factsStart))
    );
  }

  param(index: number, value: string): boolean {
    if (value.length > longestParam || detect(value)) return false;
    return !this.#ruled || this.#may(this.#judged.facts?.literals.params.get(index));
  }

  #may(context: LiteralContext): boolean {
    if (context === undefined || this.#ruledView) return false;
    return !context.some((column: Resource) => this.#isRuled(column));
  }
}
