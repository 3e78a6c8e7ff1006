import type { Node } from 'libpg-query';
import { type Plan, Refusal, type Statement, effect, simple } from './part.ts';
import { planQuery, queryClasses } from './query.ts';

/** How a statement is to be judged. Throws Refusal for what no rule can allow. */
export function plan(statement: Statement, node: Node, types: readonly number[]): Plan {
  const tag = Object.keys(node)[0] ?? '';
  const query = queryClasses[tag];
  if (query !== undefined) return planQuery(statement, query, types);
  if ('TransactionStmt' in node)
    return {
      kind: 'judged',
      judged: simple(statement, effect('transaction', 'controls the transaction')),
    };
  throw new Refusal('not-judged', `${tag} cannot be judged`, 'Ask for this to be supported.');
}
