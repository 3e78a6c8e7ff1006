import type { Resource, ResourceType } from '../statement/effect.ts';
import { mentions } from './ast.ts';
import { CedarSets } from './cedar.ts';
import { namesOf, parentType } from './entities.ts';
import type { Rule } from './rule.ts';

/** One version of the rules in the forms in which they are asked. */
export class RuleBook {
  readonly rules: ReadonlyMap<string, Rule>;
  readonly sets: CedarSets;
  readonly #named: ReadonlySet<string>;

  constructor(rules: readonly Rule[]) {
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
}
