import type { Request, RequestState } from '#src/approval/request.ts';
import type { Requirement } from '#src/policy/verdict.ts';
import { inTurns } from '#src/policy/words.ts';
import type { GateRefusal } from './asked.ts';

type Ending = Omit<GateRefusal, 'detail'>;

/** What the person reads when their request ended without running. */
export function endedBy(request: Request, state: RequestState): GateRefusal {
  const detail = `Held by rule ${request.card.rules.join(', ')}; request ${request.id}.`;
  const ending = ENDINGS[state]?.(request) ?? ABANDONED;
  return { ...ending, detail };
}

const ABANDONED: Ending = {
  code: 'abandoned',
  message: 'countersign: the request ended before the statement could run; nothing was run',
  hint: 'Send it again.',
};

const ENDINGS: { readonly [state in RequestState]?: (request: Request) => Ending } = {
  denied: ({ decisions }) => {
    const no = decisions.findLast((d) => d.decision === 'deny');
    return {
      code: 'decided-no',
      message: `countersign: denied by ${no?.person ?? 'an approver'}${no?.reason ? `: ${no.reason}` : ''}`,
      hint: 'Talk to the approver, then change the statement and send it again.',
    };
  },
  expired: ({ requirement }) => ({
    code: 'expired',
    message: 'countersign: nobody decided in time, so the statement was not run',
    hint: `Ask ${groupsOf(requirement)} and send it again.`,
  }),
  withdrawn: () => ({
    code: 'withdrawn',
    message: 'countersign: the request was withdrawn',
    hint: 'Nothing was run. Send it again when you need it.',
  }),
  changed: () => ({
    code: 'changed',
    message: 'countersign: what the statement would do changed while it waited, so it was not run',
    hint: 'Send it again: approvers then see what it does now.',
  }),
  refused: () => ({
    code: 'changed',
    message: 'countersign: the rules changed while it waited, so it was not run',
    hint: 'Send it again: it is then judged by the rules as they are now.',
  }),
};

export const groupsOf = (requirement: Requirement): string =>
  inTurns(requirement.groups, ({ group, quorum }) =>
    quorum > 1 ? `${quorum} of group ${group}` : `one of group ${group}`,
  );
