import type { Action, Effect, Resource, ResourceType } from '../statement/effect.ts';
import { mayConcern, mentions } from './ast.ts';
import { CedarSets } from './cedar.ts';
import { chainOf, namesOf, parentType, type Home } from './entities.ts';
import type { Rule } from './rule.ts';

/** One version of the rules in the forms in which they are asked. */
export class RuleBook {
  readonly rules: ReadonlyMap<string, Rule>;
  readonly sets: CedarSets;
  readonly #named: ReadonlySet<string>;
  /** Rules that ask how many rows a statement would touch. */
  readonly #counting: readonly Rule[];

  constructor(rules: readonly Rule[]) {
    this.#counting = rules.filter((rule) => rule.facts.has('rows'));
    this.rules = new Map(rules.map((rule) => [rule.id, rule]));
    this.sets = new CedarSets(rules);
    this.#named = new Set(
      rules.flatMap(({ json }) => mentions(json).map(({ type, id }) => `${type}::${id}`)),
    );
  }

  /**
   * The resource that stands for all that rules cannot tell from this one: resources have no attributes, so a name that
   * no rule mentions may as well be `*`. A table of a thousand columns is thus a question or two.
   */
  alike(resource: Resource): Resource {
    const path = [...resource.path];
    let type: ResourceType | undefined = resource.type;
    for (let depth = path.length; type && depth > 1; type = parentType[type], depth -= 1) {
      if (this.#named.has(namesOf({ type, path: path.slice(0, depth) }).key)) break;
      path[depth - 1] = '*';
    }
    return { type: resource.type, path };
  }

  /** True when the verdict on these may depend on how many rows they touch. */
  asksRows(effects: readonly Effect[], home: Home): boolean {
    if (this.#counting.length === 0) return false;
    const concerned = (action: Action, resource: Resource): boolean => {
      const { keys } = chainOf(resource, home);
      return this.#counting.some(({ json }) => mayConcern(json, action, keys));
    };
    return effects.some(
      ({ accesses, columns, outputs = [] }) =>
        accesses.some(({ action, resource }) => concerned(action, resource)) ||
        columns.some(({ action, column }) => concerned(action, column)) ||
        outputs.some(({ sources }) => sources.some((column) => concerned('reveal', column))),
    );
  }
}
