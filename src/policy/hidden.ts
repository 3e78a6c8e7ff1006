import { resourceId, type Resource } from '../statement/effect.ts';
import { Answers } from './answers.ts';
import { mayConcern, mentions } from './ast.ts';
import type { RuleBook } from './book.ts';
import { TwoGenerations } from './cache.ts';
import { chainOf, type Principal } from './entities.ts';
import { factsOf } from './facts.ts';
import type { TargetFacts } from './policy.ts';
import type { Rule } from './rule.ts';

/**
 * Columns of a table that rules could hide: those that rules name, and `*` for what is said about the table as a
 * whole. Rules know columns by name only, so any other column gets the answer of `*`.
 */
export function columnsNamed(
  rules: ReadonlyMap<string, Rule>,
  table: Resource,
): readonly Resource[] {
  const prefix = `${resourceId(table)}/`;
  const named = new Set<string>(['*']);
  for (const rule of rules.values())
    for (const { type, id } of mentions(rule.json))
      if (type === 'Column' && id.startsWith(prefix))
        named.add(decodeName(id.slice(prefix.length)));
  return [...named].map((name) => ({ type: 'Column', path: [...table.path, name] }));
}

/** A name of an entity id, as it is in the catalog. */
export const decodeName = (name: string): string =>
  name.replace(/%(25|2F|22)/g, (code) => decodeURIComponent(code));

/** Which columns one version of the rules hides from somebody; each is asked about once. */
export class Hiding {
  readonly #book: RuleBook;
  readonly #ruled = new TwoGenerations<string, { readonly ruled: boolean }>(8_192);
  readonly #targets = new WeakMap<TargetFacts, boolean>();

  constructor(book: RuleBook) {
    this.#book = book;
  }

  /** True when some column of the target is hidden from somebody. */
  hides(target: TargetFacts): boolean {
    let hiding = this.#targets.get(target);
    if (hiding === undefined) {
      const columns = columnsOf(this.#book.rules.values(), target);
      hiding = columns.some((column) => this.isRuled(target, column));
      this.#targets.set(target, hiding);
    }
    return hiding;
  }

  isRuled(target: TargetFacts, column: Resource): boolean {
    const key = keyOf(target, column);
    const known = this.#ruled.get(key);
    if (known) return known.ruled;
    let ruled = true;
    try {
      ruled = this.#hidden(target, column);
    } catch {
      // A column that rules cannot be asked about is hidden.
    }
    this.#ruled.set(key, { ruled });
    return ruled;
  }

  /** Resources that rules cannot tell apart share an answer, so that a whole catalogue can be asked about. */
  #hidden(target: TargetFacts, column: Resource): boolean {
    const alike = this.#book.alike(column);
    const key = `${keyOf(target, alike)}\0alike`;
    const known = this.#ruled.get(key);
    if (known) return known.ruled;
    const ruled = hiddenSomewhere(this.#book, target, alike);
    this.#ruled.set(key, { ruled });
    return ruled;
  }
}

const keyOf = ({ name, environment }: TargetFacts, { path }: Resource): string =>
  `${name}\0${environment}\0${path.join('\0')}`;

/**
 * True when somebody who could read the table would not see this column. Asked for a person without groups and for
 * one in each group, role or person that a rule names; a rule over facts of the moment counts as hiding.
 */
function hiddenSomewhere(book: RuleBook, target: TargetFacts, column: Resource): boolean {
  const { keys } = chainOf(column, target);
  const table: Resource = { type: 'Table', path: column.path.slice(0, -1) };
  const concerning = [...book.rules.values()].filter((rule) =>
    mayConcern(rule.json, 'reveal', keys),
  );
  if (concerning.some((rule) => rule.facts.size > 0)) return true;
  const moment = { inTransaction: false, now: 0 };
  const facts = factsOf({ class: 'select', bounded: true }, moment, false, target.timeZone);
  return probes(book.rules).some((principal) => {
    const answers = new Answers(book, principal, target);
    const reveal = answers.about('reveal', column, facts);
    if (reveal.kind === 'permit') return false;
    if (reveal.kind !== 'none') return true;
    const read = answers.about('read', table, facts).kind;
    return read === 'permit' || read === 'hold';
  });
}

function person(id: string, parents: { type: string; id: string }[]): Principal {
  const uid = { type: 'Person', id };
  return { uid, entities: [{ uid, attrs: { email: id }, parents }] };
}

function probes(rules: ReadonlyMap<string, Rule>): Principal[] {
  const found = new Map<string, Principal>([['', person('', [])]]);
  for (const rule of rules.values())
    for (const { type, id } of mentions(rule.json)) {
      if (type === 'Group' || type === 'Role')
        found.set(`${type}::${id}`, person('', [{ type, id }]));
      if (type === 'Person') found.set(`${type}::${id}`, person(id, []));
    }
  return [...found.values()];
}

/** Columns that stand for all columns of a target that rules can tell apart. */
function columnsOf(rules: Iterable<Rule>, target: TargetFacts): readonly Resource[] {
  const paths: string[][] = [[target.name]];
  for (const { json } of rules)
    for (const { type, id } of mentions(json)) {
      const path = id.split('/').map(decodeName);
      if (['Schema', 'Table', 'Column'].includes(type) && path[0] === target.name) paths.push(path);
    }
  return paths.map((path) => ({ type: 'Column', path: [...path, '*', '*', '*'].slice(0, 4) }));
}
