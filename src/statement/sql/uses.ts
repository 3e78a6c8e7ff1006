import type { AccessAction, Access, Resource } from '../effect.ts';
import { type Catalog, type Relation, isSystem } from './catalog.ts';
import { functionKind, holdsOthersValues } from './functions.ts';
import { type Tree, isList, isNode, number } from './nodetree.ts';
import type { Lineage, Scope } from './lineage.ts';

/** What a statement was found to do; filled while its tree is walked. */
export class Uses {
  readonly catalog: Catalog;
  readonly lineage: Lineage;
  readonly filter = new Set<Resource>();
  readonly join = new Set<Resource>();
  readonly assign = new Set<Resource>();
  readonly flows = new Set<Resource>();
  readonly computed = new Set<Resource>();
  /** Everything read at all, also where it leads to nothing: an error can show it. */
  readonly reads = new Set<Resource>();
  /** Relations the statement touches, for its definition and the question whether they are ruled. */
  readonly relations = new Set<number>();
  /** Relations whose rows it changes: an error can show such a row. */
  readonly written = new Set<number>();
  /** Views that stand in a write as they are: their triggers do it, and RETURNING gives their own rows. */
  readonly views = new Set<number>();
  readonly routines = new Set<number>();
  /** Views' own expressions are their owner's, not the statement's. */
  insideViews = 0;
  /** Queries of it that change rows: itself, and common table expressions. */
  writes = 0;
  opaque = false;
  /** Calls of functions that a rule must permit. */
  executed = 0;
  /** Those of them that are set_config with constants alone. */
  readonly sets: { readonly name: string; readonly value: string; readonly local: boolean }[] = [];
  /** Some row that is there already may be changed, wherever in the statement: UPDATE, ON CONFLICT DO UPDATE, MERGE. */
  updates = false;
  bounded = true;
  readonly #accesses = new Map<string, Access>();

  constructor(catalog: Catalog, lineage: Lineage) {
    this.catalog = catalog;
    this.lineage = lineage;
  }

  get accesses(): readonly Access[] {
    return [...this.#accesses.values()];
  }

  access(action: AccessAction, resource: Resource): void {
    this.#accesses.set(`${action}:${resource.type}:${resource.path.join('\0')}`, {
      action,
      resource,
    });
  }

  administer(): void {
    this.access('administer', { type: 'Target', path: [this.catalog.target] });
  }

  /** Reads rows of a relation. PostgreSQL's own catalogs are free, except where they hold what belongs to others. */
  read(oid: number, below: boolean): void {
    const relation = this.#touch(oid, below);
    if (holdsOthersValues(relation.schema, relation.name)) this.administer();
    if (isSystem(relation)) return;
    for (const member of this.catalog.family(oid, below))
      this.access('read', this.catalog.table(member));
  }

  write(oid: number, action: 'write' | 'delete', below: boolean): void {
    const relation = this.#touch(oid, below);
    if (isSystem(relation)) return this.administer();
    for (const member of this.catalog.family(oid, below)) {
      this.written.add(member.oid);
      this.access(action, this.catalog.table(member));
    }
  }

  /** What foreign keys do to other tables because of this change, in turn. */
  cascade(
    oid: number,
    on: 'update' | 'delete',
    changed?: ReadonlySet<number>,
    seen = new Set<string>(),
  ): void {
    for (const effect of this.catalog.cascades(oid)) {
      const id = `${effect.relation}:${effect.does}`;
      if (effect.on !== on || seen.has(id)) continue;
      if (changed && !effect.key.some((attribute) => changed.has(attribute))) continue;
      seen.add(id);
      this.write(effect.relation, effect.does, true);
      this.cascade(
        effect.relation,
        effect.does === 'delete' ? 'delete' : 'update',
        undefined,
        seen,
      );
    }
  }

  #touch(oid: number, below: boolean): Relation {
    for (const member of this.catalog.family(oid, below)) this.relations.add(member.oid);
    return this.catalog.relation(oid);
  }

  /** A call of a function, by name or behind an operator, a cast or an aggregate. `given` is its arguments. */
  call(oid: number, given: Tree | undefined, scope: Scope): void {
    if (oid === 0) return;
    const routine = this.catalog.routine(oid);
    const kind = functionKind(routine);
    if (kind === 'free') return;
    this.routines.add(oid);
    if (kind === 'administer') return this.administer();
    this.flow(given, scope);
    if (kind !== 'execute') return;
    this.execute(routine);
    const set = routine.name === 'set_config' ? settingIn(given) : undefined;
    if (set) this.sets.push(set);
  }

  execute(routine: { readonly schema: string; readonly name: string }): void {
    this.opaque = true;
    this.executed += 1;
    const path = [this.catalog.target, routine.schema, routine.name];
    this.access('execute', { type: 'Function', path });
  }

  filters(value: Tree | undefined, scope: Scope): void {
    add(this.filter, this.lineage.of(value, scope).sources);
  }

  joins(value: Tree | undefined, scope: Scope): void {
    add(this.join, this.lineage.of(value, scope).sources);
  }

  /** Anything but a plain reference can fail for some values and not for others. */
  computes(value: Tree | undefined, scope: Scope): void {
    if (this.insideViews > 0 || isReference(value)) return;
    add(this.computed, this.lineage.of(value, scope).sources);
  }

  /** The value goes somewhere it can be read again from. */
  flow(value: Tree | undefined, scope: Scope): void {
    add(this.flows, this.lineage.of(value, scope).sources);
  }
}

/** What `set_config('name', 'value', local)` sets, where all of it is constant. */
function settingIn(given: Tree | undefined): Uses['sets'][number] | undefined {
  const [name, value, local, ...more] = isList(given) ? given : [];
  const [what, to, how] = [constantText(name), constantText(value), constantBytes(local, BOOL)];
  if (what === undefined || to === undefined || !how || more.length > 0) return undefined;
  return { name: what.toLowerCase(), value: to, local: how[0] !== 0 };
}

const BOOL = 16;
const TEXT = 25;

function constantBytes(node: Tree | undefined, type: number): readonly number[] | undefined {
  if (!isNode(node) || node.tag !== 'CONST' || number(node, 'consttype') !== type) return undefined;
  const bytes = node.fields.get('constvalue');
  return isList(bytes) ? bytes.map(Number) : undefined;
}

/** Its first four bytes are its length. */
function constantText(node: Tree | undefined): string | undefined {
  const bytes = constantBytes(node, TEXT);
  if (!bytes || bytes.length < 4) return undefined;
  return Buffer.from(bytes.slice(4).map((byte) => byte & 255)).toString();
}

/** A column, or a sub-query's only output, whose own expression is looked at where that query is walked. */
function isReference(value: Tree | undefined): boolean {
  if (!isNode(value)) return !isList(value);
  if (value.tag === 'VAR') return true;
  if (value.tag === 'SUBLINK') return number(value, 'subLinkType') === 4;
  return value.tag === 'RELABELTYPE' && isReference(value.fields.get('arg'));
}

export function add<T>(to: Set<T>, from: Iterable<T>): void {
  for (const item of from) to.add(item);
}
