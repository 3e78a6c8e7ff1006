import type { CopyStmt, DeclareCursorStmt, ExplainStmt, Node, PrepareStmt } from 'libpg-query';
import type { Effect, Output } from '../effect.ts';
import type { Part } from './analysis.ts';
import { copyFormat } from './copy-format.ts';
import { Words } from './inner.ts';
import { meaningOf } from './meaning.ts';
import { NotResolved } from './nodetree.ts';
import { type Judged, type Plan, type Question, Refusal, type Statement, effect } from './part.ts';
import { judgedQuery, queryClasses, queryEffect } from './query.ts';
import type { QueryFacts } from './tree.ts';
import { executePlan } from './named.ts';

/** Statements that carry a query: EXPLAIN, PREPARE, DECLARE, COPY (query). */
export function planWrapper(
  statement: Statement,
  node: Node,
  types: readonly number[],
): Plan | undefined {
  if ('ExplainStmt' in node) return planExplain(statement, node.ExplainStmt, types);
  if ('PrepareStmt' in node) return planPrepare(statement, node.PrepareStmt);
  if ('DeclareCursorStmt' in node) return planDeclare(statement, node.DeclareCursorStmt, types);
  return 'CopyStmt' in node && node.CopyStmt.query
    ? planCopyQuery(statement, node.CopyStmt)
    : undefined;
}

const planOutput: Output = { name: 'QUERY PLAN', sources: [], verbatim: false, origin: [0, 0] };

function classOf(query: Node | undefined): string {
  const kind = query && queryClasses[Object.keys(query)[0] ?? ''];
  if (kind === undefined || (query && 'SelectStmt' in query && query.SelectStmt.intoClause))
    throw new Refusal(
      'not-judged',
      'this kind of statement cannot stand here',
      'Send the statement itself.',
    );
  return kind;
}

function asking(
  inner: { readonly text: string; readonly start: number },
  types: Question['types'],
  build: (facts: QueryFacts) => Judged,
): Plan {
  return { kind: 'ask', ask: { ...inner, types }, build };
}

function planExplain(statement: Statement, body: ExplainStmt, types: readonly number[]): Plan {
  const analyzes = (body.options ?? []).some(
    (option) => 'DefElem' in option && isAnalyze(option.DefElem),
  );
  if (body.query && 'ExecuteStmt' in body.query) {
    const inner = executePlan(statement, body.query.ExecuteStmt);
    return {
      kind: 'named',
      named: inner.named,
      build: (judged) => {
        const built = inner.build(judged);
        const what = explained(built.part.effect, analyzes);
        return {
          ...built,
          part: { ...built.part, class: what.class, effect: what, returnsRows: true },
        };
      },
    };
  }
  const kind = classOf(body.query);
  const inner = new Words(statement).slice(explainedAt(new Words(statement)));
  return asking(inner, types, (facts) =>
    judgedQuery(statement, facts, inner.start, explained(queryEffect(facts, kind), analyzes)),
  );
}

function isAnalyze(option: { readonly defname?: string; readonly arg?: Node }): boolean {
  if (option.defname !== 'analyze') return false;
  const { arg } = option;
  if (!arg) return true;
  if ('String' in arg)
    return !['off', 'false', 'no', '0'].includes((arg.String.sval ?? '').toLowerCase());
  return !('Integer' in arg && (arg.Integer.ival ?? 0) === 0);
}

/** Where the explained statement begins: after EXPLAIN, its options in brackets, or ANALYZE and VERBOSE. */
function explainedAt(words: Words): number {
  if (words.at(1) === '(' && !['select', 'with', 'values', 'table', '('].includes(words.at(2)))
    return words.after(1);
  let at = 1;
  while (['analyze', 'analyse', 'verbose'].includes(words.at(at))) at += 1;
  return at;
}

/** Without ANALYZE nothing runs but what the planner folds; the plan shows conditions, never values of rows. */
function explained(inner: Effect, analyzes: boolean): Effect {
  const { outputs: _, flows, ...rest } = inner;
  const plain: Effect = {
    ...rest,
    class: 'explain',
    words: `explains: ${inner.words}`,
    outputs: [planOutput],
  };
  if (analyzes) return flows ? { ...plain, flows } : plain;
  return {
    ...plain,
    accesses: inner.accesses.filter(({ action }) => action !== 'write' && action !== 'delete'),
    columns: inner.columns.filter(({ action }) => action === 'filter' || action === 'join'),
    bounded: true,
  };
}

function planPrepare(statement: Statement, body: PrepareStmt): Plan {
  const kind = classOf(body.query);
  const words = new Words(statement);
  const types = words.at(2) === '(' ? words.list(2) : [];
  const inner = words.slice(words.find('as', 2) + 1);
  const name = body.name ?? '';
  return asking(inner, types, (facts) => {
    const prepared = judgedQuery(statement, facts, inner.start, queryEffect(facts, kind));
    const what = effect('prepare', `prepares ${name}: ${prepared.part.effect.words}`);
    const own = judgedQuery(statement, { ...facts, outputs: undefined }, inner.start, what, {
      prepares: { name, text: statement.text, meaning: meaningOf(statement.path, [facts.uses]) },
    });
    return { ...own, prepared };
  });
}

function planDeclare(
  statement: Statement,
  body: DeclareCursorStmt,
  types: readonly number[],
): Plan {
  const kind = classOf(body.query);
  const words = new Words(statement);
  const inner = words.slice(words.find('for', words.find('cursor', 2)) + 1);
  const cursor = body.portalname ?? '';
  return asking(inner, types, (facts) =>
    // The outputs count here: what FETCH gives later is masked as the cursor was judged.
    judgedQuery(statement, facts, inner.start, queryEffect(facts, kind), {
      declares: { cursor },
      returnsRows: false,
    }),
  );
}

function planCopyQuery(statement: Statement, body: CopyStmt): Plan {
  const kind = classOf(body.query);
  const words = new Words(statement);
  if (words.at(1) !== '(') throw new NotResolved('the query of COPY is missing');
  const inner = words.slice(2, words.after(1) - 1);
  return asking(inner, [], (facts) => {
    const changes = facts.uses.updates && ({ upsert: true } as const);
    const what: Effect = { ...queryEffect(facts, kind), class: 'copy', ...changes };
    const out = leaving(body, copiesToFile(body) ? administered(statement, what) : what);
    return judgedQuery(statement, facts, inner.start, out, copyOut(body, facts.types));
  });
}

export function copiesToFile(body: CopyStmt): boolean {
  return body.is_program === true || (body.filename ?? '') !== '';
}

/** Into or out of what: a file of the server, a program there, or the client. */
export function leaving(body: CopyStmt, what: Effect): Effect {
  const out = body.is_from !== true;
  const client = `${out ? 'to' : 'from'} the client`;
  if (!copiesToFile(body)) return { ...what, words: `${what.words}, ${client}` };
  const program = body.is_program === true;
  const place = program ? 'a program that the server runs' : 'a file of the server';
  return {
    ...what,
    words: `${what.words}, ${out ? 'into' : 'out of'} ${place}`,
    escapes: [...new Set([...(what.escapes ?? []), program ? 'program' : 'server-file'] as const)],
  };
}

export function copyOut(
  body: CopyStmt,
  types: readonly number[],
): Pick<Part, 'returnsRows' | 'copy' | 'copied'> {
  if (copiesToFile(body)) return { returnsRows: false };
  const format = copyFormat(body);
  return { returnsRows: false, copy: 'out', ...(format && { copied: { format, types } }) };
}

/** Writing to the server's disk or to a program gives every output away. */
export function administered(statement: Statement, what: Effect): Effect {
  const target = { type: 'Target', path: [statement.catalog.target] } as const;
  const flows = [...(what.flows ?? []), ...(what.outputs ?? []).flatMap((one) => one.sources)];
  return {
    ...what,
    accesses: [...what.accesses, { action: 'administer', resource: target }],
    flows,
  };
}
