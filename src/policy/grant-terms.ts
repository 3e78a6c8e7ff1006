import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { portable } from '../mask/engine.ts';
import { actionsOf } from './ast.ts';
import type { GrantTerms } from './rule.ts';
import { isGrantAction } from './schema.ts';
import { readDuration, type Complain } from './values.ts';

/** They say what a grant is like, on rules about asking for one alone. */
const grantOnly = ['duration', 'start', 'ends', 'ticket', 'review'];
/** Of a hold, these speak of statements. */
const statementOnly = ['resend', 'shape', 'count', 'sample', 'rows'];

export const aboutGrants = (json: PolicyJson): boolean =>
  actionsOf(json)?.every(isGrantAction) === true;

/** What a rule about roles says of the grant; elsewhere these annotations would be silently ignored. */
export function readGrant(
  json: PolicyJson,
  values: ReadonlyMap<string, string>,
  complain: Complain,
): GrantTerms | undefined {
  if (!isPlaced(json, values, complain)) return undefined;
  const longestMs = readDuration('duration', values, complain);
  const start = oneOf('start', ['use', 'approval'] as const, values, complain);
  const ends = oneOf('ends', ['cancel', 'finish'] as const, values, complain);
  const ticket = readPattern(values.get('ticket'), complain);
  const review = values.get('review');
  const channel = values.get('channel');
  return {
    ...(longestMs !== undefined && { longestMs }),
    ...(start && { start }),
    ...(ends && { ends }),
    reasonRequired: values.get('reason') === 'required',
    ...(ticket !== undefined && { ticket }),
    ...(review !== undefined && { review }),
    ...(channel !== undefined && { channel }),
  };
}

/** True for a rule that can lead to a grant. */
function isPlaced(
  json: PolicyJson,
  values: ReadonlyMap<string, string>,
  complain: Complain,
): boolean {
  const written = grantOnly.filter((one) => values.has(one));
  if (!aboutGrants(json)) {
    for (const name of written)
      complain(
        `@${name} says what a grant is like, but the rule is not about asking for one`,
        'name the action in its head: action == Action::"request"',
      );
    return false;
  }
  for (const name of statementOnly.filter((one) => values.has(one)))
    complain(`@${name} says nothing about a role`, `remove @${name}`);
  if (values.has('review') && actionsOf(json)?.includes('break-glass') !== true)
    complain(
      '@review says who reads what was done under break-glass',
      'put @review on a permit for break-glass',
    );
  if (json.effect === 'permit' || values.has('hold')) return true;
  for (const name of written)
    complain(`@${name} stands on a forbid that lets nobody in`, `put @${name} on the permit`);
  return false;
}

function oneOf<T extends string>(
  name: string,
  words: readonly T[],
  values: ReadonlyMap<string, string>,
  complain: Complain,
): T | undefined {
  const text = values.get(name);
  if (text === undefined) return undefined;
  return (
    words.find((word) => word === text) ??
    complain(`@${name}("${text}") is not known`, `write one of: ${words.join(', ')}`)
  );
}

/** RE2, which takes time in proportion to the text whatever the pattern. */
function readPattern(text: string | undefined, complain: Complain): string | undefined {
  if (text === undefined) return undefined;
  try {
    portable.compile(text);
    return text;
  } catch {
    return complain(
      `@ticket("${text}") is not a pattern`,
      'write an RE2 pattern with at most one group: @ticket("[A-Z]+-[0-9]+")',
    );
  }
}
