import { random } from './checksums.ts';
import { type Before, none, only, type Rule } from './rule.ts';

type Prefixed = {
  readonly id: string;
  readonly about: string;
  readonly before?: Before;
  readonly literals: readonly string[];
  readonly pattern: string;
  readonly hits: readonly string[];
  readonly misses: readonly string[];
};

/**
 * A value goes on as far as its characters do: what is very long need not be matched to be masked. Only for rules that do
 * not refuse afterwards, or with `most`.
 */
export const restOf =
  (allowed: RegExp, most = Number.POSITIVE_INFINITY): NonNullable<Rule['reach']> =>
  (text, start, end) => {
    let to = end;
    while (to < text.length && to - end < most && allowed.test(text[to] ?? '')) to += 1;
    return only(start, to);
  };

/** A token that its prefix gives away. */
export const token = (rule: Prefixed): Rule => ({ kind: 'token', ...rule });

/** One whose prefix is short: what follows must look drawn at random as well. */
export const guarded = (rule: Prefixed): Rule => ({ kind: 'token', valid: random, ...rule });

/** One that is found by what stands inside it: so many characters before belong to it. */
export const around = (rule: Prefixed & { readonly head: RegExp; readonly most: number }): Rule => {
  const { head, most, ...rest } = rule;
  return {
    kind: 'token',
    before: 'anything',
    reach: (text, start, end) => {
      const found = head.exec(text.slice(Math.max(0, start - most - 1), start))?.[1];
      return found === undefined ? none : only(start - found.length, end);
    },
    ...rest,
  };
};

/** A token without a shape of its own, after the name of whom it is for. */
export const named = (
  rule: Omit<Prefixed, 'pattern'> & { readonly name: string; readonly value: string },
): Rule => {
  const { name, value, ...rest } = rule;
  return {
    kind: 'token',
    pattern: `(?i)${name}[\\w. -]{0,30}["'\`\\]]{0,2}[ \\t]{0,3}(?:=>|:=|[:=]|,)[ \\t]{0,3}["'\`]?(${value})\\b`,
    valid: random,
    ...rest,
  };
};
