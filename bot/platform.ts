import type { Line, Post } from './model.ts';

/** Where a message stands: Slack's channel and ts, Teams' conversation and activity. */
export type Ref = { readonly channel: string; readonly message: string };

/** The platform will not take it, now or later: the channel is gone, the bot was removed from it, the user is no more. */
export class Refused extends Error {
  override name = 'Refused';
  /** The platform's own word for it. */
  readonly code: string;
  constructor(code: string, cause: unknown) {
    super(`chat refused it: ${code}`, { cause });
    this.code = code;
  }
}

/** A channel that takes nothing at this moment: archived, without the bot, or read by others than it should be. */
export class Closed extends Refused {
  override name = 'Closed';
}

export type Reacted = { readonly name: string; readonly users: readonly string[] };

/** Slack, or Teams: what sends. Every method may throw `RetryAfter` (the platform says when) or `Refused`. */
export interface Platform {
  readonly name: 'slack' | 'teams';
  /** Whether the platform takes a message of this size. */
  fits(post: Post): boolean;
  /** `key` is kept with the message where the platform can, so that one whose reply was lost is found again. */
  post(
    channel: string,
    post: Post,
    options: { readonly key: string; readonly thread?: string },
  ): Promise<Ref>;
  /** False when there is no such message any more. */
  update(ref: Ref, post: Post): Promise<boolean>;
  /** A message with that key which was posted since (ISO 8601); undefined also where the platform cannot say. */
  find(channel: string, key: string, since: string, thread?: string): Promise<Ref | undefined>;
  /** The conversation with this user alone. */
  direct(workspace: string, user: string): Promise<string>;
  /**
   * Who reacted to a message with what, as it is now: names without colons and skin tone, users as in `Account`. Absent,
   * or undefined: the platform cannot say, and reactions do not vote there.
   */
  reactions?(ref: Ref): Promise<readonly Reacted[] | undefined>;
  /** Reacts to a message for the bot itself, where the platform can: it shows what people may do. */
  react?(ref: Ref, name: string): Promise<void>;
  /** To one user, in a channel; nobody else sees it. Where the platform has no such thing, directly. */
  whisper(channel: string, workspace: string, user: string, line: Line): Promise<void>;
}
