import { parseDuration } from '#src/policy/duration.ts';
import type { Hold, Verdict } from '#src/policy/verdict.ts';
import type { TestCase } from './cases.ts';
import { durationText, masksOf, verdictText, whoText } from './words.ts';

/** Where a verdict is not as a case expects it, one line each; empty when it is. */
export function differences(expected: TestCase, verdict: Verdict): readonly string[] {
  if (verdict.kind !== expected.expect) {
    const why = verdict.kind === 'allow' ? '' : `: ${verdict.message}`;
    return [`expected ${expected.expect}, got ${verdictText(verdict)}${why}`];
  }
  const missing = (expected.rules ?? []).filter((id) => !verdict.rules.includes(id));
  return [
    ...missing.map((id) => `expected ${id} to decide, got ${verdictText(verdict)}`),
    ...limits(expected, verdict),
    ...masks(expected, verdict),
    ...message(expected, verdict),
    ...(expected.hold === undefined ? [] : terms(expected.hold, verdict)),
  ];
}

function message({ message: part }: TestCase, verdict: Verdict): string[] {
  if (part === undefined) return [];
  const said = verdict.kind === 'allow' ? '' : verdict.message;
  return said.includes(part) ? [] : [`expected the message to have “${part}”, got “${said}”`];
}

function limits({ rows, changes }: TestCase, verdict: Verdict): string[] {
  const given = verdict.kind === 'deny' ? undefined : verdict;
  return [
    ...compare('rows', rows, given?.rows, rows !== undefined),
    ...compare('changes', changes, given?.changes, changes !== undefined),
  ];
}

function masks({ masks: expected }: TestCase, verdict: Verdict): string[] {
  if (expected === undefined) return [];
  const given = masksOf(verdict);
  const wanted = new Map(
    Object.entries(expected).map(([column, mask]) => [column.replaceAll('.', '/'), mask]),
  );
  const columns = [...new Set([...wanted.keys(), ...given.keys()])].toSorted();
  return columns.flatMap((column) =>
    compare(`the mask of ${column}`, wanted.get(column), given.get(column), true),
  );
}

function terms(expected: NonNullable<TestCase['hold']>, verdict: Verdict): string[] {
  if (verdict.kind !== 'hold') return [];
  const { groups, who, expires, reason, stepup, channels } = expected;
  const { requirement } = verdict;
  const asked = reason && (requirement.reasonRequired ? 'required' : 'optional');
  return [
    ...compare('the groups', groups && groupsText(groups), given(verdict), groups !== undefined),
    ...compare('who agrees', who, whoText(requirement), who !== undefined),
    ...compare('expires', length(expires), length(requirement.expiresMs), expires !== undefined),
    ...compare('the reason', reason, asked, reason !== undefined),
    ...compare('stepup', length(stepup), length(requirement.stepUpMs), stepup !== undefined),
    ...compare(
      'the channels',
      channels?.toSorted().join(', '),
      requirement.channels.join(', '),
      channels !== undefined,
    ),
  ];
}

const given = ({ requirement }: Hold): string =>
  requirement.groups
    .map(({ group, quorum }) => `${group}: ${quorum}`)
    .toSorted()
    .join(', ');

function groupsText(groups: readonly string[] | Readonly<Record<string, number>>): string {
  const entries = Array.isArray(groups)
    ? groups.map((group: string) => [group, 1] as const)
    : Object.entries(groups);
  return entries
    .map(([group, quorum]) => `${group}: ${quorum}`)
    .toSorted()
    .join(', ');
}

/** `15m` and `900000` as `15m`. */
function length(value: string | number | undefined): string | undefined {
  const ms = typeof value === 'string' ? parseDuration(value) : value;
  return ms === undefined ? undefined : durationText(ms);
}

function compare(
  what: string,
  expected: string | number | undefined,
  got: string | number | undefined,
  asked: boolean,
): string[] {
  if (!asked || expected === got) return [];
  return [`expected ${what} to be ${expected ?? 'none'}, got ${got ?? 'none'}`];
}
