import type { Core } from './core.ts';
import { accessOffice, members, type Reached } from './chat-access.ts';
import { openReviewing } from './chat-reviewing.ts';

/** What the gateway does for people in chat (`Office` of the bot). */
export function chatOffice(core: Core, postgres: Reached, opened: AsyncDisposableStack) {
  const reviewing = openReviewing(core, opened);
  return { access: accessOffice(core, postgres), ...(reviewing && { reviewing }) };
}
