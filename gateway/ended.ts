import { SESSION_ENDED } from '#src/audit/sessions.ts';
import { ENDED, endedFrom } from '#src/identity/end.ts';
import type { OpenDirectory } from '#src/identity/directory.ts';
import { personKey } from '#src/identity/people.ts';
import type { Subject } from '#src/identity/person.ts';
import { endedTokens } from '#src/identity/tokens.ts';
import type { Policy } from '#src/policy/policy.ts';
import type { Database } from '#src/store/database.ts';
import type { Notices } from '#src/store/notices.ts';
import { endedByOthers } from '#src/store/session-list.ts';
import type { SessionFacts } from './gate/gate.ts';
import {
  personEnded,
  sessionEnded,
  TOKEN_ENDED,
  UNKNOWN_PERSON,
  UNWELCOME,
  type Ending,
} from './postgres/endings.ts';

const LOOK_MS = 2_000;

type Parts = {
  readonly db: Database;
  readonly notices: Notices;
  readonly lease: { readonly gateway: string; readonly epoch: number };
  readonly directory: OpenDirectory;
  readonly reload: { readonly policy: Policy };
  readonly sessions: {
    revoke(why: (session: SessionFacts, token: string) => Ending | undefined): void;
    tokens(): readonly string[];
    recheck(): Promise<void>;
  };
  readonly subject: (email: string, agent?: string) => Promise<Subject | undefined>;
  /** What waits must be judged again: rules or people have changed. */
  readonly changed: () => void;
  readonly onError: (error: unknown) => void;
};

/**
 * Ends the live sessions that somebody has ended, and those of who was ended, is nobody any more, has lost the groups to
 * connect, or whose token has ended: when this gateway hears of it, and by looking every 2 s. Returns how to stop.
 */
export function endSessions(parts: Parts): () => void {
  const { sessions, notices, directory, onError } = parts;
  const welcome = (email?: string): Promise<number> =>
    (email === undefined ? endUnknown(parts) : endUnwelcome(parts, email)).catch(
      (error: unknown) => {
        onError(error);
        return 1;
      },
    );
  const tokens = (): void => void endTokens(parts).catch(onError);
  const asked = (): void => void endAsked(parts).catch(onError);
  const deaf = notices.on(SESSION_ENDED, asked);
  const stop = notices.on(ENDED, (payload) => {
    const ended = payload === undefined ? undefined : endedFrom(payload);
    if (ended)
      sessions.revoke(({ person }) =>
        personKey(person) === ended.email ? personEnded(ended.why) : undefined,
      );
    else tokens();
  });
  // A session that ends takes its holds along; only then the others are judged again.
  directory.onChange((email) => {
    void sessions.recheck().catch(onError);
    void welcome(email).then((open) => {
      if (open > 0 || email === undefined) parts.changed();
    });
  });
  const timer = setInterval(() => {
    tokens();
    asked();
    // What a provider has said lapses without a word.
    void welcome();
    // Grants begin and end without a word too.
    void sessions.recheck().catch(onError);
  }, LOOK_MS);
  return () => {
    stop();
    deaf();
    clearInterval(timer);
  };
}

/** Ends sessions of people who are nobody now. Asked in memory, so this may be often. */
async function endUnknown({ sessions, directory }: Parts, email?: string): Promise<number> {
  const open = connected(sessions, email);
  const nobody = new Set<string>();
  await Promise.all(
    [...open].map(async (person) => (await directory.find(person)) ?? nobody.add(person)),
  );
  sessions.revoke(({ person }) => (nobody.has(person) ? UNKNOWN_PERSON : undefined));
  return open.size;
}

/** Ends the sessions of this person that could not begin any more. Resolves with how many were looked at. */
async function endUnwelcome(parts: Parts, email: string): Promise<number> {
  const { sessions, subject, reload } = parts;
  const open = await endUnknown(parts, email);
  if (open === 0) return 0;
  const agents = new Set<string | undefined>();
  sessions.revoke(({ person, agent }) => {
    if (personKey(person) === email) agents.add(agent);
    return undefined;
  });
  const now = new Map(
    await Promise.all([...agents].map(async (id) => [id, await subject(email, id)] as const)),
  );
  const context = { inTransaction: false, now: Date.now() };
  sessions.revoke(({ person, agent, target }) => {
    const who = now.get(agent);
    if (!who || personKey(person) !== email) return undefined;
    const { kind } = reload.policy.connect(who, target, context);
    return kind === 'allow' ? undefined : UNWELCOME;
  });
  return open;
}

function connected(sessions: Parts['sessions'], email: string | undefined): ReadonlySet<string> {
  const open = new Set<string>();
  sessions.revoke(({ person }) => {
    if (email === undefined || personKey(person) === email) open.add(person);
    return undefined;
  });
  return open;
}

/** A token that has ended opens nothing any more, and what it has opened ends too. */
async function endTokens({ db, sessions }: Parts): Promise<void> {
  const ended = await endedTokens(db, sessions.tokens());
  if (ended.size === 0) return;
  sessions.revoke((_session, token) => (ended.has(token) ? TOKEN_ENDED : undefined));
}

/** Whichever gateway was asked to, the session's row says that it has ended. */
async function endAsked({ db, lease, sessions }: Parts): Promise<void> {
  const ended = await endedByOthers(db.pool, lease);
  if (ended.size === 0) return;
  sessions.revoke(({ id, person }) => {
    const end = ended.get(id);
    return end && sessionEnded(end.by, end.why, person);
  });
}
