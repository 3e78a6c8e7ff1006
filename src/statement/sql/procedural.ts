import type { CallStmt, DoStmt, Node } from 'libpg-query';
import type { Access, Effect, Resource } from '../effect.ts';
import { languageOf } from './attach.ts';
import type { Block } from './block.ts';
import type { Routine } from './catalog.ts';
import { nameParts } from './constant.ts';
import { access, administering } from './deed.ts';
import { Words } from './inner.ts';
import { type Judged, type Plan, Refusal, type Statement, effect, makePart } from './part.ts';
import { judgedQuery, queryEffect } from './query.ts';
import type { QueryFacts } from './tree.ts';

/**
 * DO runs code, which needs the administrator's right whatever is in it. What can be read of it is judged too, as if it
 * had been sent by itself: so what nobody may do is not done inside a block either.
 */
export function planBlock(statement: Statement, body: DoStmt): Plan {
  const { block } = statement;
  // A block of any other language, or one that its own parser refuses, stays closed.
  const language = hasLanguage(body.args ?? []) ? languageOf(body.args ?? []) : 'plpgsql';
  return {
    kind: 'block',
    statements: block?.statements ?? [],
    build: (inner) => judgedBlock(statement, language, block, inner),
  };
}

const hasLanguage = (args: readonly Node[]): boolean =>
  args.some((one) => 'DefElem' in one && one.DefElem.defname === 'language');

function judgedBlock(
  statement: Statement,
  language: string,
  block: Block | undefined,
  inner: readonly (Judged | undefined)[],
): Judged {
  const known = inner.filter((one) => one !== undefined);
  const effects = known.map(({ part }) => part.effect);
  const seen =
    block !== undefined && !block.dynamic && !block.unread && known.length === inner.length;
  const flows = effects.flatMap(flowing);
  const what = effect('do', blockWords(language, block, effects, seen), {
    accesses: [...administering(statement), ...effects.flatMap(({ accesses }) => accesses)],
    columns: effects.flatMap(({ columns }) => columns),
    bounded: effects.every(({ bounded }) => bounded),
    opaque: true,
    escapes: [...new Set(['code' as const, ...effects.flatMap((one) => one.escapes ?? [])])],
    ...(flows.length > 0 && { flows }),
    ...(effects.some(({ upsert }) => upsert) && { upsert: true }),
    computed: effects.flatMap((one) => one.computed ?? []),
  });
  const defines = !seen || known.some(({ part }) => part.defines);
  return {
    part: makePart(statement, what, { defines }, (isRuled) => statement.catalog.hasRuled(isRuled)),
    relations: new Set(known.flatMap(({ relations }) => [...relations])),
    routines: new Set(known.flatMap(({ routines }) => [...routines])),
    secret: true,
  };
}

/** What a query of a block gives goes into its variables, and from there anywhere. */
const flowing = (one: Effect): readonly Resource[] => [
  ...(one.flows ?? []),
  ...(one.outputs ?? []).flatMap(({ sources }) => sources),
];

function blockWords(
  language: string,
  block: Block | undefined,
  effects: readonly Effect[],
  seen: boolean,
): string {
  const does = [...new Set(effects.map(({ words }) => words))].filter(
    (one) => one !== 'reads no table',
  );
  const parts = [
    ...does,
    ...(block?.transactions === true ? ['ends transactions'] : []),
    ...(block?.dynamic === true ? ['runs statements that it puts together itself'] : []),
  ];
  const list = parts.length > 0 ? parts.join('; ') : 'nothing that can be told';
  const more = seen ? '' : ', and what cannot be told before it runs';
  return `runs a block of ${language}: ${list}${more}`;
}

/** CALL: its arguments are judged as `SELECT arguments`; what the procedure does with them cannot be seen. */
export function planCall(statement: Statement, body: CallStmt, types: readonly number[]): Plan {
  const names = nameParts(body.funccall?.funcname ?? []);
  const found = statement.catalog.findRoutines(names.at(-2), names.at(-1) ?? '', statement.path);
  if (found.length === 0)
    throw new Refusal(
      'not-resolved',
      `procedure ${names.join('.')} does not exist`,
      'Check the name.',
      '42883',
    );
  const args = body.funccall?.args ?? [];
  if (args.some((one) => 'NamedArgExpr' in one))
    throw new Refusal(
      'not-judged',
      'CALL takes no named arguments here',
      'Give the arguments in their order.',
    );
  const called = found.map((one) => ({
    type: 'Function' as const,
    path: [statement.catalog.target, one.schema, one.name],
  }));
  const what = effect('call', `calls ${names.join('.')}`, {
    accesses: access('execute', called),
    opaque: true,
    bounded: false,
  });
  if (args.length === 0) return { kind: 'judged', judged: judgedCall(statement, what, found) };
  const words = new Words(statement);
  const open = words.find('(', 1);
  const inner = words.slice(open + 1, words.after(open) - 1);
  const select = 'select ';
  const ask = { text: select + inner.text, start: inner.start - select.length, types };
  return {
    kind: 'ask',
    ask,
    build: (facts) => judgedCall(statement, withArguments(what, facts), found, facts, ask.start),
  };
}

function withArguments(what: Effect, facts: QueryFacts): Effect {
  const given = queryEffect(facts, 'select');
  const flows = flowing(given);
  const accesses: readonly Access[] = [...what.accesses, ...given.accesses];
  return {
    ...what,
    words: given.accesses.length > 0 ? `${what.words} with what ${given.words}` : what.words,
    accesses,
    columns: given.columns,
    ...(given.computed && { computed: given.computed }),
    ...(given.escapes && { escapes: given.escapes }),
    ...(flows.length > 0 && { flows }),
  };
}

function judgedCall(
  statement: Statement,
  what: Effect,
  found: readonly Routine[],
  facts?: QueryFacts,
  start?: number,
): Judged {
  const routines = new Set(found.map(({ oid }) => oid));
  if (!facts) {
    const part = makePart(statement, what, { returnsRows: true }, (isRuled) =>
      statement.catalog.hasRuled(isRuled),
    );
    return { part, relations: new Set(), routines };
  }
  const silent = { ...facts, outputs: undefined };
  const judged = judgedQuery(statement, silent, start, what, { returnsRows: true });
  const part = { ...judged.part, touchesRuled: statement.catalog.hasRuled.bind(statement.catalog) };
  return { ...judged, part, routines: new Set([...judged.routines, ...routines]) };
}
