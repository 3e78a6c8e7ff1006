import type { Request } from '#src/approval/request.ts';
import type { BotLog } from '../log.ts';
import type { ChatPeople } from '../people.ts';
import type { Platform } from '../platform.ts';

export type InsteadParts = {
  readonly people?: Pick<ChatPeople, 'accounts'>;
  /** E-mail addresses of who is in one of these groups now, without one. */
  readonly members?: (groups: readonly string[], but: string) => Promise<readonly string[]>;
  readonly log: BotLog;
};

const MOST = 50;

/** Where the card of a request goes that its channel does not take: to each who may decide, directly. */
export async function insteadOf(
  { people, members, log }: InsteadParts,
  { id, requirement, card }: Request,
  platform: Platform,
): Promise<readonly string[]> {
  if (!people || !members) return [];
  const groups = requirement.groups.map(({ group }) => group);
  const deciders = (await members(groups, card.person.email)).slice(0, MOST);
  const accounts = (await Promise.all(deciders.map((email) => people.accounts(email)))).flat();
  const reached: string[] = [];
  for (const { workspace, user } of accounts.filter((one) => one.platform === platform.name))
    try {
      // oxlint-disable-next-line no-await-in-loop -- platforms take a few a second
      reached.push(await platform.direct(workspace, user));
    } catch (error) {
      log.warn({ err: error, request: id }, 'somebody who may decide could not be written to');
    }
  return reached;
}
