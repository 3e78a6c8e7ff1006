import type { GrantFilter } from '#src/approval/grants.ts';
import type { Grant, Request } from '#src/approval/request.ts';
import type { Person } from '#src/identity/person.ts';
import type { Access } from '#src/policy/verdict.ts';

/** What the gateway lets somebody in chat do, with the same checks and records as through the API and the console. */
export interface Office {
  readonly access: AccessOffice;
}

/**
 * Why not, in words for the person who asked, with the code of the API. The gateway throws its own class, which the bot
 * does not know.
 */
export function notDone(
  error: unknown,
): { readonly code: string; readonly message: string } | undefined {
  if (!(error instanceof Error) || error.name !== 'Problem' || !('code' in error)) return undefined;
  return { code: String(error.code), message: error.message };
}

type Via = 'slack' | 'teams';

/** A role that somebody may ask for or take at once, and under which terms. */
export type Offered = {
  readonly target: string;
  readonly role: string;
  readonly action: 'request' | 'break-glass';
  readonly access: Exclude<Access, { kind: 'deny' }>;
};

/** What is thrown and is an answer is read with `notDone`. */
export interface AccessOffice {
  /** By target, then role. */
  offers(person: Person): Promise<readonly Offered[]>;
  ask(
    person: Person,
    asking: {
      readonly kind: 'access' | 'break-glass';
      readonly target: string;
      readonly role: string;
      readonly durationMs?: number;
      /** ISO 8601. */
      readonly startsAt?: string;
      readonly reason: string;
    },
    via: Via,
  ): Promise<Request>;
  /** Takes back what one asked for. */
  withdraw(person: Person, request: string): Promise<void>;
  grants(person: Person, filter: GrantFilter): Promise<readonly Grant[]>;
  endGrant(person: Person, grant: string, reason: string): Promise<Grant>;
  review(person: Person, grant: string, text: string): Promise<Grant>;
  /** What is written into a terminal to use the target. */
  connect(person: Person, target: string): string;
}
