import type { Address } from '#src/config/config.ts';
import type { Desk } from './desk.ts';
import type { ChatPeople, ChatUsers } from './people.ts';
import type { Platform } from './platform.ts';

/** One platform as a whole: it sends and knows its users at once, and takes calls when somebody is at the desk. */
export type Side = {
  readonly platform: Platform;
  readonly users: ChatUsers;
  listen(desk: Desk, people: ChatPeople): Promise<Listening>;
  /** A message could not be delivered: perhaps the platform does not want us any more. */
  doubt?(error: unknown): void;
  /** What is wrong between us and the platform, and what to do. */
  problem?(): string | undefined;
  close?(): void;
};

/** `address`: where the platform's calls are taken, unless we call the platform. */
export type Listening = { readonly address?: Address; close(): Promise<void> };
