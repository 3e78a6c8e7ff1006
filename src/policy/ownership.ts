import type { Resource } from '../statement/effect.ts';
import type { Owned, Place } from './combine.ts';
import { ownedName, ownersOf, type Owners } from './owners.ts';
import type { Rule } from './rule.ts';
import type { Deny } from './verdict.ts';
import { OWNER } from './who.ts';

/** What is known of the place where something is judged. */
export type Grounds = { readonly timeZone: string; readonly owners?: Owners | undefined };

/** Who owns what is held by rules with `@hold("owner")`. */
export class Ownership implements Place {
  readonly timeZone: string;
  readonly #owners: Owners | undefined;
  readonly #held = new Map<Rule, Map<string, readonly string[]>>();

  constructor({ timeZone, owners }: Grounds) {
    this.timeZone = timeZone;
    this.#owners = owners;
  }

  /** Undefined without an owners file: a group is called `owner` then. */
  get ownersOf(): Place['ownersOf'] {
    return this.#owners && ((rule) => this.#of(rule));
  }

  /** The rule holds something that is done with this. */
  touched(rule: Rule, resource: Resource): void {
    if (!this.#owners || rule.terms.hold?.group !== OWNER) return;
    const held = this.#held.get(rule) ?? new Map<string, readonly string[]>();
    this.#held.set(rule, held.set(ownedName(resource), ownersOf(this.#owners, resource)));
  }

  /** What nobody owns, nobody could approve. */
  nobodys(): Deny | undefined {
    const rules = new Set<string>();
    const names = new Set<string>();
    for (const [{ id }, held] of this.#held)
      for (const [name, groups] of held)
        if (groups.length === 0) {
          names.add(name);
          rules.add(id);
        }
    if (names.size === 0) return undefined;
    return {
      kind: 'deny',
      rules: [...rules],
      message: `nobody owns ${[...names].join(', ')}, so nobody could approve it`,
      hint: 'ask whoever keeps the owners file to name an owner for it, or a default',
    };
  }

  #of(rule: Rule): readonly Owned[] {
    const owns = new Map<string, string[]>();
    for (const [name, groups] of this.#held.get(rule) ?? [])
      for (const group of groups) owns.set(group, [...(owns.get(group) ?? []), name]);
    return Array.from(owns, ([group, names]) => ({ group, owns: names.toSorted() }));
  }
}
