import { detect } from '#src/mask/detect.ts';
import { likeness } from '#src/statement/sql/alike.ts';
import type { Analysis } from '#src/statement/sql/analysis.ts';
import { type Literal, fingerprint } from '#src/statement/sql/fingerprint.ts';
import { StatementCache } from './cache.ts';

/** An analysis that stands for every text of its shape with the same literals where they are not free. */
type Known = {
  readonly analysis: Analysis;
  readonly literals: readonly Literal[];
  /** Literal by literal, what it must be; undefined where any of its kind may stand. */
  readonly fixed: readonly (string | undefined)[];
};

/** Of one shape; whoever sends more different literals that matter gets each analysed. */
const MOST = 8;

/** Analyses by the shape of their texts, so that a text that differs in literals alone need not be analysed again. */
export class Shapes {
  readonly #cache = new StatementCache<Known[]>();

  /** The analysis of this text by that of another one; `whole` analyses it by itself. */
  get(key: string, text: string, whole: () => Promise<Analysis>): Analysis | undefined {
    const print = fingerprint(text);
    const known = print && this.#cache.get(key, print.shape);
    const found = known?.find(({ fixed }) =>
      fixed.every((raw, i) => raw === undefined || raw === literalOf(text, print?.literals[i])),
    );
    const alike = found?.analysis.alike;
    // What detectors find in it is hidden, and then its text is no longer that of the other one with other literals.
    if (!print || !found || !alike || detect(text)) return undefined;
    const given = { text, literals: print.literals };
    return likeness(found.analysis, alike, found.literals, given, whole);
  }

  set(key: string, text: string, analysis: Analysis): void {
    const print = analysis.alike && fingerprint(text);
    const free = print && analysis.alike?.free(print.literals);
    if (!print || !free) return;
    const fixed = print.literals.map((one, i) => (free[i] ? undefined : literalOf(text, one)));
    const known = { analysis, literals: print.literals, fixed };
    const others = (this.#cache.get(key, print.shape) ?? []).filter(
      (one) => !sameFixed(one.fixed, fixed),
    );
    this.#cache.set(key, print.shape, [known, ...others].slice(0, MOST));
  }

  clear(): void {
    this.#cache.clear();
  }
}

const literalOf = (text: string, literal: Literal | undefined): string | undefined =>
  literal && text.slice(literal.start, literal.end);

const sameFixed = (a: Known['fixed'], b: Known['fixed']): boolean =>
  a.length === b.length && a.every((raw, i) => raw === b[i]);
