import type { Access, Effect, Resource } from '../effect.ts';
import { targetOf } from './objects.ts';
import { type PartExtra, type Plan, type Statement, effect, makePart, simple } from './part.ts';

/** What a statement that carries no query does, as far as its planner found out. */
export type Deed = Partial<Omit<Effect, 'class' | 'words'>> & {
  readonly class: string;
  readonly words: string;
  /** It looks at rows (of these relations, or of any), so it can fail on a value, and say so. */
  readonly looksAtRows?: boolean | ReadonlySet<number>;
  /** The definitions may have changed afterwards. */
  readonly defines?: boolean;
  readonly relations?: ReadonlySet<number>;
  readonly routines?: ReadonlySet<number>;
  readonly extra?: PartExtra;
};

/** A deed as a plan. Its literals may be passwords or addresses, so none of them is shown. */
export function doing(statement: Statement, deed: Deed): Plan {
  const {
    class: kind,
    words,
    looksAtRows = false,
    defines = false,
    relations,
    routines,
    extra,
    ...more
  } = deed;
  const what = effect(kind, words, more);
  const one = simple(statement, what);
  const { catalog } = statement;
  const part = makePart(statement, what, { defines, ...extra }, (isRuled) =>
    typeof looksAtRows === 'object' && what.opaque !== true
      ? catalog.allColumns(looksAtRows).some(isRuled)
      : (looksAtRows !== false || what.opaque === true) && catalog.hasRuled(isRuled),
  );
  const seen = { ...(relations && { relations }), ...(routines && { routines }) };
  return { kind: 'judged', judged: { ...one, ...seen, part, secret: true } };
}

export function access(action: Access['action'], resources: readonly Resource[]): Access[] {
  return resources.map((resource): Access => ({ action, resource }));
}

/** What is asked for everything that concerns the server or the database as a whole. */
export function administering(statement: Statement): Access[] {
  return access('administer', [targetOf(statement)]);
}

/** Each resource once. */
export function unique(resources: readonly Resource[]): readonly Resource[] {
  return [
    ...new Map(resources.map((one) => [`${one.type}\0${one.path.join('\0')}`, one])).values(),
  ];
}
