import type { NewIncident, Incident } from '#src/audit/incidents.ts';
import type { FoundPage } from '#src/audit/search/search.ts';
import type { Charted } from '#src/audit/summary/charted.ts';
import type { Summary } from '#src/audit/summary/summary.ts';
import type { GrantFilter } from '#src/approval/grants.ts';
import type { Grant, Request } from '#src/approval/request.ts';
import type { Person } from '#src/identity/person.ts';
import type { Access } from '#src/policy/verdict.ts';

/** What the gateway lets somebody in chat do, with the same checks and records as through the API and the console. */
export interface Office {
  readonly access: AccessOffice;
  readonly talk: TalkOffice;
  /** Undefined: no tree is kept over the records, so they are neither searched nor summed up. */
  readonly reviewing?: ReviewingOffice;
}

/** Who is told of a request. */
export interface TalkOffice {
  /** E-mail addresses of people (no machines) who are in one of these groups now, without one. */
  members(this: void, groups: readonly string[], but: string): Promise<readonly string[]>;
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
  ask(person: Person, asking: AskingRole, via: Via): Promise<Request>;
  /** Takes back what one asked for. */
  withdraw(person: Person, request: string): Promise<void>;
  /** What they asked for that still waits, and what they could decide; newest first. */
  waiting(
    person: Person,
  ): Promise<{ readonly own: readonly Request[]; readonly toDecide: readonly Request[] }>;
  grants(person: Person, filter: GrantFilter): Promise<readonly Grant[]>;
  /** One that they may see. */
  grant(person: Person, id: string): Promise<Grant>;
  endGrant(person: Person, grant: string, reason: string): Promise<Grant>;
  review(person: Person, grant: string, text: string): Promise<Grant>;
  /** E-mail addresses of who may review this break-glass. */
  reviewers(grant: Grant): Promise<readonly string[]>;
  /** Who is told that somebody broke the glass: groups, and the e-mail addresses of their members but that person. */
  alarmed(
    request: Request,
  ): Promise<{ readonly groups: readonly string[]; readonly people: readonly string[] }>;
  /** What is written into a terminal to use the target. */
  connect(person: Pick<Person, 'email'>, target: string): string;
}

export type AskingRole = {
  readonly kind: 'access' | 'break-glass';
  readonly target: string;
  readonly role: string;
  /** Default: as long as the rules let it last. */
  readonly durationMs?: number;
  /** ISO 8601. */
  readonly startsAt?: string;
  readonly reason: string;
};

export type Summed = { readonly summary: Summary; readonly charted: Charted };

/** What everybody may know of something that a link leads to. */
export type Outline = {
  readonly kind: 'record' | 'request' | 'session' | 'grant';
  readonly id: string;
  /** ISO 8601; absent where it has not begun. */
  readonly at?: string;
  /** Verdict, or state. */
  readonly state: string;
};

/** Every look is a record before anything is read. What is thrown and is an answer is read with `notDone`. */
export interface ReviewingOffice {
  maySeeAll(person: Person): boolean;
  /** Of what the person may see (`own`: of their own acts alone); times as in `GET /summaries`. */
  summary(
    person: Person,
    asked: { readonly from?: string; readonly to?: string; readonly target?: string },
    via: Via,
  ): Promise<Summed & { readonly own: boolean }>;
  /** `cursor` is one that a page before has given. */
  search(
    person: Person,
    asked: { readonly q: string; readonly limit: number; readonly cursor?: string },
    via: Via,
  ): Promise<FoundPage>;
  /** For everybody in a channel; times in milliseconds since 1970. */
  digest(
    channel: string,
    asked: { readonly from: number; readonly to: number; readonly target: string },
  ): Promise<Summed>;
  /** Undefined where there is none. */
  outline(kind: Outline['kind'], id: string): Promise<Outline | undefined>;
  /** Only for those who may see every record. */
  startIncident(person: Person, asked: NewIncident): Promise<Incident>;
  stopIncident(person: Person, name: string, via: Via): Promise<Incident>;
}
