import type { Effect } from '../effect.ts';
import {
  type Judged,
  type PartExtra,
  type Plan,
  type Question,
  type Statement,
  makePart,
  touches,
} from './part.ts';
import { maySet } from './settings.ts';
import { type QueryFacts, effectOf } from './tree.ts';
import type { Uses } from './uses.ts';
import { escapesOf } from './escapes.ts';
import { writes } from './walk.ts';
import { queryWords } from './words.ts';

export const queryClasses: Readonly<Record<string, string>> = {
  SelectStmt: 'select',
  InsertStmt: 'insert',
  UpdateStmt: 'update',
  DeleteStmt: 'delete',
  MergeStmt: 'merge',
};

// Statements whose name does not say that they change rows that are there already.
const mixes = new Set(['select', 'insert']);

/** The effect of a query by its tree. */
export function queryEffect(facts: QueryFacts, kind: string): Effect {
  const base: Effect = {
    ...effectOf(facts),
    class: kind,
    words: queryWords(facts, kind),
    ...escapesOf(facts.uses.accesses),
    ...(mixes.has(kind) && facts.uses.updates && { upsert: true }),
  };
  return facts.outputs ? { ...base, outputs: facts.outputs } : base;
}

/** A part whose effect comes from a tree, whole or changed by the wrapper around the query. */
export function judgedQuery(
  statement: Statement,
  facts: QueryFacts,
  start: number | undefined,
  what: Effect,
  extra: PartExtra = {},
): Judged {
  const outputs = (facts.outputs ?? []).flatMap((output) => output.sources);
  return {
    part: makePart(statement, what, { ...changesOf(facts), ...extra }, touches(facts, outputs)),
    facts,
    ...(start !== undefined && { factsStart: start }),
    relations: facts.uses.relations,
    routines: facts.uses.routines,
  };
}

/** A tag counts what the statement itself changes; not what its common table expressions, rules and functions do. */
function changesOf({ uses, scopes }: QueryFacts): Pick<PartExtra, 'changes'> {
  if (uses.opaque) return {};
  if (uses.writes === 0) return { changes: 'none' };
  const [only, ...others] = scopes;
  const tagged = others.length === 0 && uses.writes === 1 && only && writes(only);
  return tagged ? { changes: 'counted' } : {};
}

/** A query that sets one setting, by constants, is as free to do so as SET is; tools begin with it. */
function onlySetting({ uses }: QueryFacts): Uses['sets'][number] | undefined {
  const [set, ...others] = uses.sets;
  if (!set || others.length > 0 || uses.executed !== 1) return undefined;
  return maySet(set.name, set.value) ? set : undefined;
}

function asSet(what: Effect, { name, value }: Uses['sets'][number]): Effect {
  const { opaque: _, escapes: __, ...rest } = what;
  return {
    ...rest,
    accesses: what.accesses.filter(({ action }) => action !== 'execute'),
    words: `${what.words}; sets ${name} to ${value}`,
  };
}

/** SELECT, INSERT, UPDATE, DELETE, MERGE, VALUES, TABLE: the target says what they do. */
export function planQuery(statement: Statement, kind: string, types: readonly number[]): Plan {
  const ask: Question = { text: statement.text, start: statement.start, types };
  return {
    kind: 'ask',
    ask,
    build: (facts) => {
      const what = queryEffect(facts, kind);
      const sets = kind === 'select' ? onlySetting(facts) : undefined;
      const { start } = statement;
      if (!sets) return judgedQuery(statement, facts, start, what, { fixedAtBind: true });
      return judgedQuery(statement, facts, start, asSet(what, sets), {
        fixedAtBind: true,
        changesSettings: true,
        sets,
      });
    },
  };
}
