import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { HttpDeps, Review } from '#gateway/api/deps.ts';
import type { RequestFilter } from '#src/approval/list.ts';
import type { Requests, Vote } from '#src/approval/port.ts';
import type { Refusal, Request } from '#src/approval/request.ts';
import { NotRecorded, type AuditLog, type Entry, type Receipt } from '#src/audit/log.ts';
import type { RecordsPart, RecordView } from '#src/audit/reader.ts';
import type { SessionFound } from '#src/store/session-list.ts';
import type { Person } from '#src/identity/person.ts';
import type { Scope, TokenInfo } from '#src/identity/token.ts';
import { NO_PROVIDERS } from '#src/config/identity.ts';
import { people } from '../fakes/people.ts';
import { fakeSessions, fakeTimeline, type SessionEnds } from '../fakes/sessions.ts';
import { fakeSignIns } from '../fakes/sign-ins.ts';

export { people };

/** `<person>-<scopes joined by +>` is a live token of that person, e.g. `approver-decide`. */
const SCOPES: readonly Scope[] = ['connect', 'read', 'decide'];

function withVote(request: Request, voter: Person, vote: Vote): Request {
  const { decision, reason, via } = vote;
  const at = new Date().toISOString();
  const own = { person: voter.email, group: 'dba', decision, reason, via, at };
  return {
    ...request,
    version: request.version + 1,
    state: decision === 'approve' ? 'approved' : 'denied',
    decisions: [...request.decisions, own],
  };
}

export function makeRequest(
  change: Partial<Request> = {},
  card: Partial<Request['card']> = {},
): Request {
  return {
    id: randomUUID(),
    version: 1,
    state: 'pending',
    kind: 'statement',
    gateway: 'local',
    session: randomUUID(),
    statement: randomUUID(),
    requirement: {
      groups: [{ group: 'dba', quorum: 1 }],
      expiresMs: 900_000,
      reasonRequired: false,
      channels: ['db-approvals'],
      reactionsVote: false,
    },
    card: {
      person: people.engineer,
      target: 'shop',
      database: 'shop',
      masked: "update orders set status = 'refunded' where id = 42",
      hidesWrite: false,
      words: ['updates orders, bounded by id = 42'],
      rules: ['shop-writes-need-a-second-person'],
      message: 'changes to shop are approved by a DBA',
      reason: 'customer asked for a refund',
      digest: '3fa94c0be2d18c77',
      client: '127.0.0.1',
      application: 'psql',
      ...card,
    },
    decisions: [],
    record: randomUUID(),
    createdAt: new Date().toISOString(),
    expiresAt: new Date(Date.now() + 14 * 60_000).toISOString(),
    ...change,
  };
}

export function makeRecord(change: Partial<RecordView> = {}): RecordView {
  return {
    id: randomUUID(),
    writer: 'local/1',
    seq: '17',
    at: '2026-11-20T20:14:03.221Z',
    kind: 'statement',
    session: randomUUID(),
    statement: randomUUID(),
    person: people.engineer.email,
    target: 'shop',
    verdict: 'allow',
    hash: '9b1f3c7f6f4c8d7d6b0d6f0a51f9a2c5a2b2f3d0b8c1e4a7f6d5c4b3a2918070',
    body: {
      text: 'select * from customers limit 5',
      rules: ['shop-people-work'],
      masks: { 'shop/public/customers/ssn': 'null' },
      client: { address: '127.0.0.1', application: 'psql' },
      rows: 5,
    },
    ...change,
  };
}

const unused = (): never => {
  throw new Error('not used here');
};

export type World = {
  deps: HttpDeps;
  readonly requests: Map<string, Request>;
  readonly records: RecordView[];
  readonly appended: Entry[];
  readonly searches: { q: string; limit: number; part?: RecordsPart }[];
  readonly sessions: SessionFound[];
  readonly ends: SessionEnds;
  readonly votes: { id: string; person: string; vote: unknown }[];
  readonly revoked: Set<string>;
  readonly directory: Map<string, Person>;
  /** What the next call meets. */
  refuse?: Refusal;
  logDown: boolean;
  storeDown: boolean;
  missing: string[];
  warnings: string[];
  review: Review;
  readonly put: (request: Request) => void;
};

/** What the store would list, without its conditions on who decides: those are tried on the store itself. */
function listed(all: readonly Request[], filter: RequestFilter): readonly Request[] {
  const { states, visibleTo: reader, decidableBy, decidedBy, target, person: part } = filter;
  const { from = '', to = '9', before, limit = 100 } = filter;
  const first = before === undefined ? 0 : all.findIndex(({ id }) => id === before) + 1;
  return all
    .slice(first)
    .filter(({ state, card, createdAt, decisions, requirement }) =>
      [
        states?.includes(state),
        target && card.target === target,
        part && card.person.email.includes(part),
        decidedBy && decisions.some((decision) => decision.person === decidedBy),
        decidableBy && state === 'pending' && card.person.email !== decidableBy.email,
        reader &&
          (card.person.email === reader.email ||
            requirement.groups.some(({ group }) => reader.groups.includes(group))),
        createdAt >= from && createdAt < to,
      ].every((holds) => holds !== false),
    )
    .slice(0, limit);
}

/** All the gateway's parts as plain maps, with the switches that tests turn. */
export function makeWorld(publicUrl = 'http://127.0.0.1:8080'): World {
  const changes = new EventEmitter();
  const requests = new Map<string, Request>();
  const records: RecordView[] = [];
  const appended: Entry[] = [];
  const searches: World['searches'] = [];
  const sessions: SessionFound[] = [];
  const ends: SessionEnds = [];
  const votes: World['votes'] = [];
  const revoked = new Set<string>();
  const directory = new Map(Object.values(people).map((each) => [each.email, each]));
  const tokenInfo = (token: string): TokenInfo | undefined => {
    const [name = '', scopes = ''] = token.split('-');
    const owner = new Map<string, Person>(Object.entries(people)).get(name);
    if (!owner || revoked.has(token)) return undefined;
    return {
      id: token,
      person: owner.email,
      label: 'test',
      scopes: SCOPES.filter((scope) => scopes.split('+').includes(scope)),
      createdAt: '2026-11-20T00:00:00.000Z',
      expiresAt: '2099-01-01T00:00:00.000Z',
    };
  };
  const seenTokens = new Set<string>();

  const world: World = {
    requests,
    records,
    appended,
    searches,
    sessions,
    ends,
    votes,
    revoked,
    directory,
    logDown: false,
    storeDown: false,
    missing: [],
    warnings: [],
    review: { kind: 'masked' },
    put(request) {
      requests.set(request.id, request);
      changes.emit('change', request.id);
    },
    deps: {
      publicUrl,
      secret: Buffer.alloc(32, 7),
      review: () => world.review,
      ready: () => Promise.resolve({ missing: world.missing, warnings: world.warnings }),
      metrics: {
        contentType: 'text/plain; version=0.0.4',
        expose: () => Promise.resolve('up 1\n'),
      },
      changes: {
        on(listener) {
          changes.on('change', listener);
          return () => changes.off('change', listener);
        },
      },
      directory: { find: (email) => Promise.resolve(directory.get(email)) },
      identity: NO_PROVIDERS,
      people: {
        signedIn: unused,
        refreshed: unused,
        set: unused,
        state: () => Promise.resolve(undefined),
        list: (part) => Promise.resolve([...directory.keys()].filter((key) => key.includes(part))),
        end: unused,
      },
      signIns: fakeSignIns({
        isLive: (token) => tokenInfo(token) !== undefined,
        async recorded(kind, email, { ...body }) {
          await world.deps.audit.append({ kind, person: email, body });
        },
      }),
      tokens: {
        check(token, scope) {
          const info = tokenInfo(token);
          if (!info?.scopes.includes(scope)) return Promise.resolve(undefined);
          seenTokens.add(token);
          return Promise.resolve(info);
        },
        list: (email) =>
          Promise.resolve(
            [...seenTokens]
              .map((token) => tokenInfo(token))
              .filter((info) => info !== undefined)
              .filter((info) => email === undefined || info.person === email),
          ),
        issue: unused,
        standIn: unused,
        scram: unused,
        find: (id) => Promise.resolve(tokenInfo(id)),
        used: unused,
        revoke(id) {
          const live = tokenInfo(id) !== undefined;
          revoked.add(id);
          return Promise.resolve(live);
        },
      },
      sessions: fakeSessions(sessions, ends),
      timeline: fakeTimeline(records),
      records: {
        get: (id) => Promise.resolve(records.find((record) => record.id === id)),
        search(q, limit, part) {
          searches.push({ q, limit, ...(part && Object.keys(part).length > 0 && { part }) });
          const kind = / kind:(\S+)/u.exec(q)?.[1];
          const found = records.filter((record) => kind === undefined || record.kind === kind);
          const first = found.findIndex(({ id }) => id === part?.before) + 1;
          return Promise.resolve(found.slice(first, first + limit));
        },
      },
      audit: {
        append(entry) {
          if (world.logDown) return Promise.reject(new NotRecorded('the disk is full'));
          appended.push(entry);
          return Promise.resolve({
            record: randomUUID(),
            writer: 'local/1',
            seq: 1n,
          } as unknown as Receipt);
        },
        later: (entry) => void appended.push(entry),
      } satisfies AuditLog,
      requests: {
        open: unused,
        claim: unused,
        end: unused,
        finish: unused,
        settled: unused,
        tellRows: unused,
        findShape: unused,
        runOnShape: unused,
        revokeShape: unused,
        get(id) {
          if (world.storeDown) return Promise.reject(new Error('secret-value in an error'));
          return Promise.resolve(requests.get(id));
        },
        list: (filter) => Promise.resolve(listed([...requests.values()], filter)),
        decide(id, voter, vote) {
          const request = requests.get(id);
          if (request?.card.hidesWrite && vote.decision === 'approve' && !vote.reviewed)
            return Promise.resolve({
              ok: false,
              refusal: { code: 'must-review', message: 'It is hidden.' },
            });
          votes.push({ id, person: voter.email, vote });
          if (world.refuse) return Promise.resolve({ ok: false, refusal: world.refuse });
          if (!request)
            return Promise.resolve({
              ok: false,
              refusal: { code: 'not-found', message: 'There is no such request.' },
            });
          const decided = withVote(request, voter, vote);
          world.put(decided);
          return Promise.resolve({ ok: true, request: decided });
        },
      } satisfies Requests,
    },
  };
  return world;
}
