import type { Node } from 'libpg-query';
import { planCopy } from './copy.ts';
import { planDefinition } from './ddl.ts';
import { planNamed } from './named.ts';
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
] as const;

/** How a statement is to be judged. Throws Refusal for what no rule can allow. */
export function plan(statement: Statement, node: Node, types: readonly number[]): Plan {
  const tag = Object.keys(node)[0] ?? '';
  const query = queryClasses[tag];
  const makesTable = 'SelectStmt' in node && node.SelectStmt.intoClause !== undefined;
  if (query !== undefined && !makesTable) return planQuery(statement, query, types);
  for (const planner of planners) {
    const found = planner(statement, node);
    if (found) return found;
  }
  throw new Refusal(
    'not-judged',
    `${tag.replace(/Stmt$/, '')} cannot be judged`,
    'Ask the operator for another way.',
  );
}
