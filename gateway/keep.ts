import type { TargetConfig } from '#src/config/config.ts';
import type { Core } from './core.ts';
import { endSessions } from './ended.ts';
import type { Holds } from './gate/holds.ts';
import type { Analysers } from './postgres/analysers.ts';
import { TARGET_GONE } from './postgres/endings.ts';
import type { Sessions } from './postgres/session.ts';
import { keepGrants } from './roles.ts';
import type { Subjects } from './subjects.ts';

type Parts = {
  readonly sessions: Sessions;
  readonly subject: Subjects['find'];
  readonly forget: Subjects['forget'];
  readonly holds: Holds;
  readonly analysers: Analysers;
};

/** Live sessions follow people, tokens, grants, rules and targets as they change, until `opened` ends. */
export function keepSessions(
  core: Core,
  { sessions, subject, forget, holds, analysers }: Parts,
  opened: AsyncDisposableStack,
): void {
  const { reload, requests, roles, lease, onError } = core;
  const changed = (): void => holds.rulesChanged();
  const inUse = (target: TargetConfig): boolean =>
    reload.config.targets.get(target.name) === target || sessions.uses(target);
  opened.defer(endSessions({ ...core, sessions, subject, changed }));
  const round = (): Promise<void> => requests.grants.round((grant) => roles.refusesGrant(grant));
  opened.defer(keepGrants({ ...core, gateway: lease, sessions, forget, round, changed }));
  core.onReload(() => {
    sessions.revoke(({ target }) =>
      reload.config.targets.has(target.name) ? undefined : TARGET_GONE,
    );
    sessions.recheck().catch(onError);
    analysers.closeUnused(inUse).catch(onError);
  });
}
