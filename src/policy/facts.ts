import type { CedarValueJson } from '@cedar-policy/cedar-wasm/nodejs';
import { clock } from './clock.ts';
import type { Effect } from '../statement/effect.ts';
import type { Context } from './policy.ts';
import type { FactName } from './schema.ts';

/** The context of one Cedar question: the facts of the moment and of the effect that is judged. */
export type Facts = Readonly<
  Record<FactName, string | number | boolean | readonly string[] | undefined>
>;

/** Most answers depend on no fact, so facts are gathered only when one is asked for. */
export type AskFacts = (() => Facts) & { readonly asked: boolean };

type Doing = Pick<Effect, 'class' | 'bounded' | 'estimatedRows' | 'escapes' | 'upsert'> & {
  /** How long a role is asked for. */
  readonly minutes?: number;
};

export function factsOf(
  doing: Doing,
  context: Context,
  agent: boolean,
  timeZone: string,
): AskFacts {
  let facts: Facts | undefined;
  const ask = (): Facts => {
    ask.asked = true;
    return (facts ??= gather(doing, context, agent, timeZone));
  };
  ask.asked = false;
  return ask;
}

function gather(doing: Doing, context: Context, agent: boolean, timeZone: string): Facts {
  const { hour, weekday, time, date } = clock(context.now, timeZone);
  const rows = doing.estimatedRows;
  return {
    statement: doing.class,
    bounded: doing.bounded,
    appends: (doing.class === 'insert' || doing.class === 'copy') && doing.upsert !== true,
    escape: doing.escapes,
    // Cedar's Long is whole; an estimate that is not a number is no estimate.
    rows:
      rows === undefined || !Number.isFinite(rows)
        ? undefined
        : Math.ceil(Math.min(rows, 2 ** 53 - 1)),
    minutes: doing.minutes,
    reason: context.reason,
    purpose: context.purpose,
    inTransaction: context.inTransaction,
    agent,
    hour,
    weekday,
    time,
    date,
  };
}

export function toCedar(facts: Facts): Record<string, CedarValueJson> {
  const context: Record<string, CedarValueJson> = {};
  for (const [name, value] of Object.entries(facts))
    if (value !== undefined) context[name] = typeof value === 'object' ? [...value] : value;
  return context;
}
