import { parseDuration } from './duration.ts';
import { parseHours } from './hours.ts';
import type { Complain } from './values.ts';
import type { AskedGroup, Escalation } from './verdict.ts';

/** `@hold("owner")`: the groups that own what the rule holds, by the owners file. */
export const OWNER = 'owner';
/** How long a request waits where no rule says. */
export const defaultExpiresMs = 15 * 60_000;
/** Before the name of a rota: whoever is on call by it when they decide. */
export const ON_CALL = 'oncall:';

/** Who has to agree, beside the group itself. */
export type WhoTerms = {
  readonly stage?: number;
  readonly escalate?: readonly Escalation[];
  /** `text` as `parseHours` reads it, and the group that decides outside of them. */
  readonly hours?: { readonly text: string; readonly outside: string };
};

/** `expiresMs` is how long the rule lets a request wait, where it says so. */
export function readWho(
  values: ReadonlyMap<string, string>,
  expiresMs: number | undefined,
  complain: Complain,
): WhoTerms {
  const stage = values.get('stage');
  if (stage !== undefined && !/^[1-9]$/.test(stage))
    complain(`@stage("${stage}") is not a stage`, 'write a whole number from 1 to 9: @stage("2")');
  const escalate = readEscalation(values.get('escalate'), expiresMs ?? defaultExpiresMs, complain);
  const hours = readHours(values.get('hours'), complain);
  return {
    ...(stage !== undefined && { stage: Number(stage) }),
    ...(escalate && { escalate }),
    ...(hours && { hours }),
  };
}

function readEscalation(
  text: string | undefined,
  expiresMs: number,
  complain: Complain,
): WhoTerms['escalate'] {
  if (text === undefined) return undefined;
  return text.split(',').flatMap((part) => {
    const [, after = '', group = '', , channel] =
      /^(\w+):([^#]*[^#\s])(\s*#([\w.-]+))?$/.exec(part.trim()) ?? [];
    const afterMs = parseDuration(after);
    if (afterMs === undefined)
      complain(
        `@escalate("${text}"): "${part.trim()}" is not a time and a group`,
        'write @escalate("10m:security"), several with commas; "10m:security#channel" to show it there',
      );
    else if (afterMs >= expiresMs)
      complain(
        `@escalate("${text}") asks ${group} when the request has ended already`,
        'escalate sooner, or give it more time with @expires("1h")',
      );
    return afterMs === undefined
      ? []
      : { afterMs, group: group.trim(), ...(channel !== undefined && { channel }) };
  });
}

function readHours(text: string | undefined, complain: Complain): WhoTerms['hours'] {
  if (text === undefined) return undefined;
  const [, hours = '', outside = ''] = /^(.+?)\s+else\s+(\S.*)$/.exec(text.trim()) ?? [];
  if (parseHours(hours)) return { text: hours, outside: outside.trim() };
  return complain(
    outside === '' && parseHours(text.trim())
      ? `@hours("${text}") does not say who decides outside of them`
      : `@hours("${text}") is not hours and a group`,
    'write @hours("Mon-Fri 09:00-17:00 else oncall"), several hours with commas',
  );
}

/** Every group that these name beside the one of `@hold`. */
export const groupsNamed = ({ escalate = [], hours }: WhoTerms): readonly string[] => [
  ...escalate.map(({ group }) => group),
  ...(hours ? [hours.outside] : []),
];

const keyOf = ({ group, stage = 1, hours }: AskedGroup): string =>
  JSON.stringify([stage, group, hours]);

/**
 * Those of several rules that ask the same people at the same time are one: the highest quorum, and an escalation only
 * where each of them has it, at the latest of their times. In the order in which they are asked.
 */
export function mergeAsked(all: readonly AskedGroup[]): readonly AskedGroup[] {
  const merged = new Map<string, AskedGroup>();
  for (const one of all) {
    const other = merged.get(keyOf(one));
    merged.set(keyOf(one), other ? stricter(other, one) : one);
  }
  return [...merged.values()].toSorted(byTurn);
}

function stricter(a: AskedGroup, b: AskedGroup): AskedGroup {
  const { escalate: _, owns: __, channels: ___, ...rest } = a;
  const escalate = inBoth(a.escalate, b.escalate);
  const owns = [...new Set([...(a.owns ?? []), ...(b.owns ?? [])])].toSorted();
  const channels = [...new Set([...(a.channels ?? []), ...(b.channels ?? [])])].toSorted();
  return {
    ...rest,
    quorum: Math.max(a.quorum, b.quorum),
    ...(escalate.length > 0 && { escalate }),
    ...(owns.length > 0 && { owns }),
    ...(channels.length > 0 && { channels }),
  };
}

function inBoth(
  a: readonly Escalation[] = [],
  b: readonly Escalation[] = [],
): readonly Escalation[] {
  return a.flatMap((one) => {
    const others = b.filter(({ group }) => group === one.group);
    if (others.length === 0) return [];
    const earliest = others.reduce((x, y) => (x.afterMs <= y.afterMs ? x : y));
    return earliest.afterMs > one.afterMs ? earliest : one;
  });
}

function byTurn(a: AskedGroup, b: AskedGroup): number {
  const stages = (a.stage ?? 1) - (b.stage ?? 1);
  return stages === 0 ? (keyOf(a) < keyOf(b) ? -1 : 1) : stages;
}

/** True when whoever satisfied `had` has satisfied all that `asked` asks: as many of each, and nobody sooner. */
export function coversAsked(had: readonly AskedGroup[], asked: readonly AskedGroup[]): boolean {
  return asked.every((one) =>
    had.some(
      (other) =>
        keyOf(other) === keyOf(one) &&
        other.quorum >= one.quorum &&
        (other.escalate ?? []).every(({ group, afterMs }) =>
          one.escalate?.some((each) => each.group === group && each.afterMs <= afterMs),
        ),
    ),
  );
}
