import type { Core } from './core.ts';
import { accessOffice, members, type Reached } from './chat-access.ts';
import { openReviewing } from './chat-reviewing.ts';

/** What the gateway does for people in chat (`Office` of the bot). */
export function chatOffice(core: Core, postgres: Reached, opened: AsyncDisposableStack) {
  const reviewing = openReviewing(core, opened);
  const talk = {
    members: (groups: readonly string[], but: string) => members(core, groups, but),
  };
  return { access: accessOffice(core, postgres), talk, ...(reviewing && { reviewing }) };
}
