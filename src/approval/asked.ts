import { isWithin } from '../policy/hours.ts';
import type { AskedGroup, Requirement } from '../policy/verdict.ts';
import type { Escalated, Request } from './request.ts';

/** A group that is asked at this moment, and others whose members may decide in its place. */
export type Seats = {
  readonly group: string;
  readonly quorum: number;
  readonly stage?: number;
  readonly also?: readonly string[];
};

export const stageOf = ({ stage = 1 }: { readonly stage?: number }): number => stage;

/** The stage that is asked first. */
export const firstStage = (groups: Requirement['groups']): number =>
  groups.length === 0 ? 1 : Math.min(...groups.map(stageOf));

/** Who is on duty at that moment (milliseconds since the epoch), of the group and of its hours. */
const onDuty = ({ group, hours }: AskedGroup, now: number): string =>
  !hours || isWithin(hours.text, hours.timeZone, now) ? group : hours.outside;

/**
 * What a request asks at that moment (milliseconds since the epoch): hours say which group it is, and what was escalated
 * adds those who may decide in its place. Of two that come to the same group in the same stage it is the stricter.
 */
export function seatsAt(
  groups: Requirement['groups'],
  escalated: readonly Escalated[],
  now: number,
): readonly Seats[] {
  const merged = new Map<string, Seats>();
  for (const asked of groups) {
    const group = onDuty(asked, now);
    const stage = stageOf(asked);
    const also = escalationsOf(asked, escalated).filter((each) => each !== group);
    const other = merged.get(`${stage} ${group}`);
    const both = other ? also.filter((each) => other.also?.includes(each)) : also;
    merged.set(`${stage} ${group}`, {
      group,
      quorum: Math.max(asked.quorum, other?.quorum ?? 1),
      ...(stage > 1 && { stage }),
      ...(both.length > 0 && { also: both }),
    });
  }
  return [...merged.values()].toSorted((a, b) => stageOf(a) - stageOf(b));
}

/** Groups that may decide in its place by now. */
const escalationsOf = (asked: AskedGroup, escalated: readonly Escalated[]): readonly string[] =>
  (asked.escalate ?? [])
    .filter((step) =>
      escalated.some(
        (done) =>
          done.of === asked.group &&
          done.stage === stageOf(asked) &&
          done.group === step.group &&
          done.afterMs === step.afterMs,
      ),
    )
    .map(({ group }) => group);

/** All groups that a request names, at whatever hour and stage, and those that it was escalated to. */
export function groupsNamed({
  requirement,
  escalated = [],
}: Pick<Request, 'requirement' | 'escalated'>): readonly string[] {
  const named = requirement.groups.flatMap(({ group, hours }) =>
    hours ? [group, hours.outside] : [group],
  );
  return [...new Set([...named, ...escalated.map(({ group }) => group)])];
}

/** Channels for what is asked by now, and for what it was escalated to; `own` is the target's, for rules that name none. */
export function channelsAsked(
  { requirement, stage = 1, escalated = [] }: Pick<Request, 'requirement' | 'stage' | 'escalated'>,
  own: string | undefined,
): readonly string[] {
  const first = requirement.channels.length > 0 || own === undefined ? requirement.channels : [own];
  const turns = requirement.groups.filter((asked) => stageOf(asked) <= stage);
  return [
    ...new Set([
      ...first,
      ...turns.flatMap(({ channels = [] }) => channels),
      ...escalated.flatMap(({ channel }) => channel ?? []),
    ]),
  ];
}

/** When the first of this stage is escalated, in milliseconds since its turn; undefined: nothing of it is. */
export function firstEscalation(groups: Requirement['groups'], stage: number): number | undefined {
  const times = groups
    .filter((asked) => stageOf(asked) === stage)
    .flatMap(({ escalate = [] }) => escalate.map(({ afterMs }) => afterMs));
  return times.length > 0 ? Math.min(...times) : undefined;
}
