import type { Core } from './core.ts';
import { accessOffice, type Reached } from './chat-access.ts';

/** What the gateway does for people in chat (`Office` of the bot). */
export function chatOffice(core: Core, postgres: Reached) {
  return { access: accessOffice(core, postgres) };
}
