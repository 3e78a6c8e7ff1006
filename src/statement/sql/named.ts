import type { ExecuteStmt, FetchStmt, Node } from 'libpg-query';
import {
  type Judged,
  type Plan,
  Refusal,
  type Statement,
  effect,
  makePart,
  simple,
} from './part.ts';
import { isLiteral } from './constant.ts';

/** Statements about things that have a name in the session: prepared statements and cursors. */
export function planNamed(statement: Statement, node: Node): Plan | undefined {
  if ('ExecuteStmt' in node) return executePlan(statement, node.ExecuteStmt);
  if ('FetchStmt' in node) return judged(fetch(statement, node.FetchStmt));
  if ('ClosePortalStmt' in node) {
    const closes = node.ClosePortalStmt.portalname ?? '*';
    return judged(simple(statement, effect('close', 'closes a cursor'), { closes }));
  }
  if ('DeallocateStmt' in node) {
    const deallocates = node.DeallocateStmt.isall ? '*' : (node.DeallocateStmt.name ?? '*');
    return judged(
      simple(statement, effect('deallocate', 'forgets a prepared statement'), { deallocates }),
    );
  }
  return undefined;
}

function judged(one: Judged): Plan {
  return { kind: 'judged', judged: one };
}

/** EXECUTE does what was prepared does; its arguments must be literals, because an expression could call anything. */
export function executePlan(
  statement: Statement,
  body: ExecuteStmt,
): Extract<Plan, { kind: 'named' }> {
  const name = body.name ?? '';
  const named = statement.named.prepared.get(name);
  if (named === undefined)
    throw new Refusal(
      'not-resolved',
      `prepared statement "${name}" does not exist`,
      'PREPARE it first.',
      '26000',
    );
  if (!(body.params ?? []).every((param) => isLiteral(param)))
    throw new Refusal(
      'not-judged',
      'EXECUTE takes only literals here',
      'Give the arguments as plain values.',
    );
  return {
    kind: 'named',
    named,
    build: (inner) => {
      const { factsStart: _, ...rest } = inner;
      const { part } = inner;
      if (part.sets) throw hidesSetting();
      return {
        ...rest,
        named: true,
        part: makePart(
          statement,
          part.effect,
          { returnsRows: part.returnsRows, ...(part.changes && { changes: part.changes }) },
          (isRuled) => part.touchesRuled(isRuled),
        ),
      };
    },
  };
}

/** Behind a name the session would not know that its settings change. */
const hidesSetting = (): Refusal =>
  new Refusal(
    'setting',
    'what was prepared changes a setting, which EXECUTE and FETCH do not say',
    'Use SET.',
    '42501',
  );

function fetch(statement: Statement, body: FetchStmt): Judged {
  const name = body.portalname ?? '';
  const cursor = statement.named.cursors.get(name);
  if (!cursor)
    throw new Refusal(
      'not-resolved',
      `cursor "${name}" does not exist`,
      'DECLARE it first.',
      '34000',
    );
  if (cursor.sets) throw hidesSetting();
  const moves = body.ismove === true;
  const { outputs, ...rest } = cursor.effect;
  const words = `${moves ? 'moves' : 'fetches from'} a cursor that ${cursor.effect.words}`;
  const base = { ...rest, class: 'fetch', words };
  const what = moves || !outputs ? base : { ...base, outputs };
  return {
    part: makePart(statement, what, { returnsRows: !moves, fetches: name }, (isRuled) =>
      cursor.touchesRuled(isRuled),
    ),
    relations: new Set(),
    routines: new Set(),
    named: true,
  };
}
