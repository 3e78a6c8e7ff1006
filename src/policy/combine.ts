import type { HoldTerms, Rule } from './rule.ts';
import type { AskedGroup, Mask, Requirement } from './verdict.ts';
import { defaultExpiresMs, mergeAsked, OWNER } from './who.ts';

/** Where something is held: its clock, and who owns what a rule with `@hold("owner")` holds. */
export type Place = {
  readonly timeZone: string;
  readonly ownersOf?: ((rule: Rule) => readonly Owned[]) | undefined;
};
/** A group, and what it owns. */
export type Owned = { readonly group: string; readonly owns: readonly string[] };

const sorted = (texts: readonly string[]): string[] => [...new Set(texts)].toSorted();

const least = (values: readonly (number | undefined)[]): number | undefined => {
  const given = values.filter((value) => value !== undefined);
  return given.length > 0 ? Math.min(...given) : undefined;
};

/** A relaxation: undefined unless every rule gives it. */
const leastOfAll = (values: readonly (number | undefined)[]): number | undefined =>
  values.every((value) => value !== undefined) ? least(values) : undefined;

/** What several holding rules ask together: always the stricter; a relaxation only when every rule has it. */
export function combineHolds(rules: readonly Rule[], place: Place): Requirement {
  const terms = rules.flatMap((rule) => rule.terms.hold ?? []);
  const first = Math.min(...terms.map(({ stage = 1 }) => stage));
  const stepUpMs = least(terms.map((one) => one.stepUpMs));
  const resendMs = leastOfAll(terms.map((one) => one.resendMs));
  const shapeMs = leastOfAll(terms.map((one) => one.shapeMs));
  // Nobody is shown more keys than any of the rules would show.
  const sample = least(terms.map((one) => one.sample));
  const channels = terms.flatMap((one) => ((one.stage ?? 1) === first ? (one.channel ?? []) : []));
  const acr = sorted(terms.flatMap((one) => one.acr ?? []));
  const amr = sorted(terms.flatMap((one) => one.amr ?? []));
  // A group that comes to it sees the request and can deny it: each rule has to let it.
  const handOver = sorted(terms[0]?.handOver ?? []).filter((group) =>
    terms.every((one) => one.handOver?.includes(group)),
  );
  return {
    groups: mergeAsked(rules.flatMap((rule) => askedBy(rule, place, first))),
    // A silent rule asks for the default: otherwise one with a longer time, added beside it, would relax it.
    expiresMs: least(terms.map((one) => one.expiresMs ?? defaultExpiresMs)) ?? defaultExpiresMs,
    reasonRequired: terms.some((one) => one.reasonRequired),
    channels: sorted(channels),
    reactionsVote: reactionsVote(terms),
    ...(stepUpMs !== undefined && { stepUpMs }),
    ...(acr.length > 0 && { acr }),
    ...(amr.length > 0 && { amr }),
    ...(handOver.length > 0 && { handOver }),
    ...(resendMs !== undefined && { resendMs }),
    ...(shapeMs !== undefined && { shapeMs }),
    ...(terms.some((one) => one.count) && { count: true }),
    ...(sample !== undefined && { sample }),
  };
}

/** Only where every rule lets it, and none asks for what a reaction cannot give. */
const reactionsVote = (terms: readonly HoldTerms[]): boolean =>
  terms.length > 0 &&
  terms.every(
    (one) => one.reactionsVote === true && !one.reasonRequired && one.stepUpMs === undefined,
  );

/** Whom one rule asks, and when: of what is not asked first, its channel hears when the turn comes. */
function askedBy(rule: Rule, { timeZone, ownersOf }: Place, first: number): readonly AskedGroup[] {
  const { hold } = rule.terms;
  if (!hold) return [];
  const { group, quorum, stage = 1, hours, escalate, channel } = hold;
  const groups = group === OWNER && ownersOf ? ownersOf(rule) : [{ group, owns: [] }];
  return groups.map((one) => ({
    group: one.group,
    quorum,
    ...(stage > 1 && { stage }),
    ...(hours && { hours: { ...hours, timeZone } }),
    ...(escalate && { escalate }),
    ...(one.owns.length > 0 && { owns: one.owns }),
    ...(channel !== undefined && stage > first && { channels: [channel] }),
  }));
}

const strictness: readonly Mask['kind'][] = ['null', 'fixed', 'hash', 'last', 'email', 'detect'];

/**
 * The stricter of two masks: null, then fixed, hash, last-n (the fewer kept), email, detect (the kinds of both). Of two
 * hash classes it is always the same one. Does not depend on the order.
 */
export function stricterMask(a: Mask, b: Mask): Mask {
  if (a.kind === 'detect' && b.kind === 'detect') return bothDetect(a.kinds, b.kinds);
  if (a.kind !== b.kind) return strictness.indexOf(a.kind) < strictness.indexOf(b.kind) ? a : b;
  return detail(a) <= detail(b) ? a : b;
}

/** Tells masks of one kind apart; the smaller is the stricter, or just always the same one. */
function detail(mask: Mask): number | string {
  switch (mask.kind) {
    case 'last':
      return mask.keep;
    case 'fixed':
      return mask.text;
    case 'hash':
      return mask.class ?? '';
    case 'null':
    case 'email':
    case 'detect':
      return 0;
    default:
      return mask satisfies never;
  }
}

function bothDetect(a: readonly string[] | undefined, b: readonly string[] | undefined): Mask {
  return a && b ? { kind: 'detect', kinds: sorted([...a, ...b]) } : { kind: 'detect' };
}
