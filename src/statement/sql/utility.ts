import type { Node, TransactionStmt } from 'libpg-query';
import type { Control } from './analysis.ts';
import { administering, doing } from './deed.ts';
import { type Plan, type Statement, effect, simple } from './part.ts';
import { planBlock, planCall } from './procedural.ts';

const controls: Readonly<Record<string, Control>> = {
  TRANS_STMT_BEGIN: 'begin',
  TRANS_STMT_START: 'begin',
  TRANS_STMT_COMMIT: 'commit',
  TRANS_STMT_ROLLBACK: 'rollback',
  TRANS_STMT_SAVEPOINT: 'savepoint',
  TRANS_STMT_RELEASE: 'release',
  TRANS_STMT_ROLLBACK_TO: 'rollback-to',
};

/** Transaction control, DISCARD, DO and CALL. */
export function planUtility(
  statement: Statement,
  node: Node,
  types: readonly number[],
): Plan | undefined {
  if ('TransactionStmt' in node) return transaction(statement, node.TransactionStmt);
  if ('DiscardStmt' in node) return discard(statement, node.DiscardStmt.target === 'DISCARD_ALL');
  if ('DoStmt' in node) return planBlock(statement, node.DoStmt);
  return 'CallStmt' in node ? planCall(statement, node.CallStmt, types) : undefined;
}

function transaction(statement: Statement, body: TransactionStmt): Plan {
  const control = controls[body.kind ?? ''];
  if (control === undefined) return twoPhase(statement, body);
  const chained = body.chain === true && (control === 'commit' || control === 'rollback');
  const name = body.savepoint_name === undefined ? '' : ` ${body.savepoint_name}`;
  const what = effect('transaction', `transaction control: ${control.replace('-', ' ')}${name}`);
  return judged(simple(statement, what, { control: chained ? `${control}-and-chain` : control }));
}

/** What is prepared outlives the session, with its locks, and anybody can end it later. */
function twoPhase(statement: Statement, { kind }: TransactionStmt): Plan {
  const prepares = kind === 'TRANS_STMT_PREPARE';
  const says = prepares
    ? 'sets the transaction aside with its locks, until somebody commits it or rolls it back'
    : `${kind === 'TRANS_STMT_COMMIT_PREPARED' ? 'commits' : 'rolls back'} a transaction that was set aside`;
  return doing(statement, {
    class: 'transaction',
    words: `transaction control: ${says}`,
    accesses: administering(statement),
    ...(prepares && { extra: { control: 'prepare' } }),
  });
}

function discard(statement: Statement, all: boolean): Plan {
  if (!all)
    return judged(
      simple(statement, effect('discard', 'forgets plans or sequences of the session')),
    );
  const what = effect('discard', 'forgets the state of the session');
  const sets = { name: 'all', value: undefined, local: false };
  return judged(
    simple(statement, what, { changesSettings: true, sets, deallocates: '*', closes: '*' }),
  );
}

function judged(one: Extract<Plan, { kind: 'judged' }>['judged']): Plan {
  return { kind: 'judged', judged: one };
}
