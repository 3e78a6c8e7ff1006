import type { Node } from 'libpg-query';
import { planCopy } from './copy.ts';
import { planDeed } from './deeds.ts';
import { planDefinition } from './ddl.ts';
import { planNamed } from './named.ts';
import { NotResolved } from './nodetree.ts';
import { type Plan, Refusal, type Statement } from './part.ts';
import { planQuery, queryClasses } from './query.ts';
import { planSetting } from './settings.ts';
import { planUtility } from './utility.ts';
import { planWrapper } from './wrappers.ts';

const planners = [
  planSetting,
  planUtility,
  planNamed,
  planWrapper,
  planCopy,
  planDefinition,
  planDeed,
] as const;

/**
 * Throws NotResolved unless EXECUTE may run this: a query, or the whole PREPARE of one. Over the wire anything can be
 * prepared; what SET, DEALLOCATE or COMMIT does to the session would not be followed behind an EXECUTE.
 */
export function checkExecutable(node: Node, bySql: boolean): void {
  const isQuery = Object.keys(node).some((tag) => queryClasses[tag] !== undefined);
  const makesTable = 'SelectStmt' in node && node.SelectStmt.intoClause !== undefined;
  if (bySql ? 'PrepareStmt' in node : isQuery && !makesTable) return;
  throw new NotResolved('EXECUTE runs only queries here');
}

/** How a statement is to be judged. Throws Refusal for what no rule can allow. */
export function plan(statement: Statement, node: Node, types: readonly number[]): Plan {
  const tag = Object.keys(node)[0] ?? '';
  const query = queryClasses[tag];
  const makesTable = 'SelectStmt' in node && node.SelectStmt.intoClause !== undefined;
  if (query !== undefined && !makesTable) return planQuery(statement, query, types);
  for (const planner of planners) {
    const found = planner(statement, node, types);
    if (found) return found;
  }
  throw new Refusal(
    'not-judged',
    `${tag.replace(/Stmt$/, '')} cannot be judged`,
    'Ask the operator for another way.',
  );
}
