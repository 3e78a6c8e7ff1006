import type { ColumnUse, Effect, Output, Resource } from '../effect.ts';
import type { Catalog } from './catalog.ts';
import { type Scope, Lineage, command } from './lineage.ts';
import { type LiteralContexts, literalContexts } from './literals.ts';
import { NotResolved, type TreeNode, flag, number, parseTrees } from './nodetree.ts';
import { Uses } from './uses.ts';
import { outputsOf, walkQuery } from './walk.ts';

/** What the target told about one query: its analysed and rewritten tree, its RowDescription, its parameters. */
export type Described = {
  readonly tree: string;
  /** Undefined when the query returns no rows. */
  readonly fields:
    | readonly {
        readonly name: string;
        readonly tableID: number;
        readonly columnID: number;
        readonly dataTypeID: number;
      }[]
    | undefined;
  readonly parameterTypes: readonly number[];
};

/** What one query would do. */
export type QueryFacts = {
  readonly uses: Uses;
  readonly outputs: readonly Output[] | undefined;
  /** Their types (OIDs). */
  readonly types: readonly number[];
  readonly literals: LiteralContexts;
  readonly parameterTypes: readonly number[];
  /** The trees themselves. */
  readonly scopes: readonly Scope[];
};

/** Reads the target's answer. Throws NotResolved for anything that is not understood whole. */
export function queryFacts(
  catalog: Catalog,
  described: Described,
  trees: readonly TreeNode[] = parseTrees(described.tree),
): QueryFacts {
  const scopes = trees.map((query): Scope => ({ query }));
  const uses = new Uses(catalog, new Lineage(catalog));
  for (const scope of scopes) walkQuery(uses, scope);
  let literals: LiteralContexts | undefined;
  if (described.fields === undefined && scopes.some((scope) => answers(scope.query)))
    throw new NotResolved('a rule of a table answers it with rows of its own');
  return {
    uses,
    outputs: described.fields && matchOutputs(uses, scopes, described.fields),
    types: (described.fields ?? []).map(({ dataTypeID }) => dataTypeID),
    // Worked out when somebody looks at a literal.
    get literals() {
      return (literals ??= literalContexts(uses, scopes));
    },
    parameterTypes: described.parameterTypes,
    scopes,
  };
}

/** CREATE RULE … DO INSTEAD SELECT: the rows come out of a statement that describes none. */
function answers(query: TreeNode): boolean {
  return number(query, 'commandType') === command.select;
}

/** The outputs by the tree, which must be as many as the target said it would send. */
function matchOutputs(
  uses: Uses,
  scopes: readonly Scope[],
  fields: NonNullable<Described['fields']>,
): readonly Output[] {
  const answering = scopes.find((scope) => flag(scope.query, 'canSetTag'));
  const found = answering ? outputsOf(uses, answering) : [];
  if (found.length !== fields.length)
    throw new NotResolved(`the tree has ${found.length} outputs where ${fields.length} come back`);
  return found.map((output, index): Output => {
    const field = fields[index];
    return {
      name: field?.name ?? output.name,
      sources: [...output.flow.sources],
      verbatim: output.flow.verbatim && output.flow.sources.size > 0,
      origin: [field?.tableID ?? 0, field?.columnID ?? 0],
    };
  });
}

/** The facts as rules are asked about them, without the class, the words and the outputs. */
export function effectOf(facts: QueryFacts): Omit<Effect, 'class' | 'words' | 'outputs'> {
  const { uses } = facts;
  const columns: ColumnUse[] = [
    ...use('filter', uses.filter),
    ...use('join', uses.join),
    ...use('assign', uses.assign),
    ...use('reveal', uses.flows),
  ];
  return {
    accesses: uses.accesses,
    columns,
    bounded: uses.bounded,
    ...(uses.flows.size > 0 && { flows: [...uses.flows] }),
    ...(uses.computed.size > 0 && { computed: [...uses.computed] }),
    ...(uses.opaque && { opaque: true }),
  };
}

function use(action: ColumnUse['action'], columns: Iterable<Resource>): readonly ColumnUse[] {
  return [...columns].map((column) => ({ action, column }));
}
