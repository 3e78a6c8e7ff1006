import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import type { Absences } from '#src/approval/away.ts';
import type { Requests } from '#src/approval/port.ts';
import type { Talk } from '#src/approval/talk.ts';
import type { AuditLog } from '#src/audit/log.ts';
import type { Tree } from '#src/audit/tree/reader.ts';
import type { Holds } from '#src/audit/erasure/holds.ts';
import type { Incidents } from '#src/audit/incident-entries.ts';
import type { Records } from '#src/audit/reader.ts';
import type { Search } from '#src/audit/search/search.ts';
import type { Views } from '#src/audit/search/views.ts';
import type { SessionsList } from '#src/audit/sessions.ts';
import type { Timeline } from '#src/audit/timeline.ts';
import type { IdentityConfig } from '#src/config/identity.ts';
import type { Oidc } from '#src/identity/oidc/oidc.ts';
import type { ChatAccounts } from '#src/identity/chat-accounts.ts';
import type { ChatLinks } from '#src/identity/chat-links.ts';
import type { Confirmations } from '#src/identity/confirmations.ts';
import type { Directory, Person } from '#src/identity/person.ts';
import type { SamlStore } from '#src/identity/saml/store.ts';
import type { ScimService } from '#src/identity/scim/service.ts';
import type { People } from '#src/identity/sign-in.ts';
import type { SignInStore } from '#src/identity/sign-ins.ts';
import type { Tokens } from '#src/identity/token.ts';
import type { Recordings } from '#src/recording/port.ts';
import type { OauthDeps } from '../oauth/deps.ts';
import type { RulesState } from '../reload.ts';
import type { RoleAccess } from '../roles.ts';
import type { Summaries } from '#src/audit/summary/summary.ts';
import type { Verifier } from '../verify.ts';
import type { Failures } from './failures.ts';
import type { Readiness } from './health.ts';

/**
 * What an approver may read of a held statement here: the exact text, only the masked one, or nothing more because
 * another gateway holds it, whose page of the request is at `at`.
 */
export type Review =
  | { readonly kind: 'whole'; readonly text: string }
  | { readonly kind: 'masked' }
  | { readonly kind: 'elsewhere'; readonly at?: string };

/** Everything that the API and the console ask of the rest of the gateway. */
export type HttpDeps = {
  readonly requests: Requests;
  /** Undefined: requests are only decided here. */
  readonly talk?: Talk;
  /** Undefined: nobody asks for roles here. */
  readonly access?: RoleAccess;
  readonly records: Records;
  readonly sessions: SessionsList;
  readonly timeline: Timeline;
  /** Undefined: nothing is recorded beside the log. */
  readonly recordings?: Pick<Recordings, 'info' | 'readRecording' | 'follow'>;
  /** Undefined: records are chained, and no tree is kept. */
  readonly tree?: Tree;
  /** Undefined: no tree is kept, so there is nothing that is searched by more than records themselves. */
  readonly search?: Search;
  readonly views?: Views;
  readonly incidents?: Incidents;
  /** Names of the channels that views may tell. */
  readonly channels?: () => readonly string[];
  /** Undefined: no tree is kept, so there is nothing to verify here. */
  readonly verifier?: Verifier;
  readonly summaries?: Summaries;
  /** The tree’s files are served to everybody. */
  readonly servesLog?: boolean;
  readonly tokens: Tokens;
  /** With what people may decide for beside their groups. */
  readonly directory: Directory;
  readonly absences?: Absences;
  readonly people: People;
  readonly signIns: SignInStore;
  readonly identity: IdentityConfig;
  /** Undefined: nobody signs in by OpenID Connect. */
  readonly oidc?: Oidc;
  /** Undefined: nobody signs in by SAML. */
  readonly saml?: SamlStore;
  /** With `protocol: embedded` in the configuration. */
  readonly embedded?: { readonly register: (app: FastifyInstance) => void };
  /** By the name of the provider that tells us of people; undefined: none does. */
  readonly scim?: ReadonlyMap<string, ScimService>;
  readonly audit: AuditLog;
  /** What keeps records from being erased. */
  readonly legalHolds?: Holds;
  /** The exact statement comes only for an approver who may reveal what it holds. */
  review(id: string, person: Person): Review | Promise<Review>;
  ready(): Promise<Readiness>;
  /** The rules in force, and what is wrong with those on disk. */
  rules?(): RulesState;
  readonly metrics: { readonly contentType: string; expose(): Promise<string> };
  /** Without a trailing slash. */
  readonly publicUrl: string;
  /** Key of the console's cookies and form tokens, 32 bytes or more. */
  readonly secret: Buffer;
  /** The authorization server of terminals and machines; without it they come with tokens of the operator. */
  readonly oauth?: OauthDeps;
  /** Whose accounts in chat are whose; undefined where nobody chats. */
  readonly chat?: { readonly accounts: ChatAccounts; readonly links: ChatLinks };
  /** PostgreSQL connections that wait for their person's word. */
  readonly confirmations?: Confirmations;
  /** What fails elsewhere counts here too; without it only what fails here. */
  readonly failures?: Failures;
  /** Calls the listener with a request's id each time that request changed; returns how to stop. */
  readonly changes: { on(listener: (requestId: string) => void): () => void };
};

export type HttpOptions = HttpDeps & { readonly log: FastifyBaseLogger };
