import type { Person } from '#src/identity/person.ts';
import type { Choice, Form, Post } from './model.ts';

/** An account in chat. `workspace`: Slack's team, Teams' tenant. `user`: Slack's user id, Entra's object id. */
export type Account = {
  readonly platform: 'slack' | 'teams';
  readonly workspace: string;
  readonly user: string;
};

/** Whoever does something in chat, and who they are for Countersign at this moment. */
export type Actor = { readonly account: Account; readonly person: Person };

/** Where it was done; `message` is absent where it was no message: a command, a form, App Home. */
export type Place = { readonly channel?: string; readonly message?: string };

export type Act = {
  readonly actor: Actor;
  readonly place: Place;
};

/** What whoever acted gets back, and nobody else sees. Undefined: nothing has to be said. */
export type Answer =
  | { readonly tell: string; readonly link?: string }
  | { readonly show: Post }
  | { readonly form: Form }
  | undefined;

/** Of a form also: what is wrong, by field; the form stays open. */
export type FormAnswer = Answer | { readonly errors: Readonly<Record<string, string>> };

/**
 * What people can do in chat, by name, whatever the platform. The platforms' adapters find out who acts (an account that
 * belongs to nobody comes no further), see that each act is handled once, and give the answer back. What is thrown is
 * logged, and told as a failure that changed nothing.
 */
export type Desk = {
  readonly buttons?: Readonly<
    Record<string, (act: Act & { readonly value: string }) => Promise<Answer>>
  >;
  readonly forms?: Readonly<
    Record<
      string,
      (
        act: Act & { readonly state: string; readonly values: Readonly<Record<string, string>> },
      ) => Promise<FormAnswer>
    >
  >;
  /** Choices of a `search` field. */
  readonly searches?: Readonly<
    Record<string, (actor: Actor, typed: string) => Promise<readonly Choice[]>>
  >;
  /** Without the slash. On Teams: the first word of a message to the bot. */
  readonly commands?: Readonly<
    Record<string, (act: Act & { readonly text: string }) => Promise<Answer>>
  >;
  /**
   * A reaction on one of our messages, or its removal. The name has no colons and no skin tone. `at`: when, by the
   * platform's clock (ISO 8601); Slack's `event_ts`.
   */
  readonly reacted?: (
    act: Act & { readonly reaction: string; readonly added: boolean; readonly at: string },
  ) => Promise<Answer>;
  /** What was written to the bot, without its name: in a channel (to everybody's eyes), or to it alone. Opens no form. */
  readonly mentioned?: (act: Act & { readonly text: string }) => Promise<Answer>;
  /** What stands on App Home. */
  readonly home?: (actor: Actor) => Promise<Post>;
  /** What is shown under a link to us, to everybody in that channel; undefined for a link that says nothing. */
  readonly unfurl?: (url: URL) => Promise<Post | undefined>;
};

/** One desk of several. Throws when two of them answer to the same name. */
export function joinDesks(...desks: readonly Desk[]): Desk {
  const one = <K extends keyof Desk>(name: K): Desk[K] | undefined => {
    const having = desks.filter((desk) => desk[name] !== undefined);
    if (having.length > 1) throw new Error(`two desks have ${name}`);
    return having[0]?.[name];
  };
  const reacted = one('reacted');
  const mentioned = one('mentioned');
  const home = one('home');
  const unfurl = one('unfurl');
  return {
    buttons: all(desks.map((desk) => desk.buttons)),
    forms: all(desks.map((desk) => desk.forms)),
    searches: all(desks.map((desk) => desk.searches)),
    commands: all(desks.map((desk) => desk.commands)),
    ...(reacted && { reacted }),
    ...(mentioned && { mentioned }),
    ...(home && { home }),
    ...(unfurl && { unfurl }),
  };
}

function all<T>(
  parts: readonly (Readonly<Record<string, T>> | undefined)[],
): Readonly<Record<string, T>> {
  const joined: Record<string, T> = {};
  for (const part of parts)
    for (const [name, handler] of Object.entries(part ?? {})) {
      if (Object.hasOwn(joined, name)) throw new Error(`two desks answer to ${name}`);
      joined[name] = handler;
    }
  return joined;
}
