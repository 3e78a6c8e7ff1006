import { createHash, randomUUID } from 'node:crypto';
import {
  type AuditLog,
  type Binding,
  type Entry,
  NotRecorded,
  type Receipt,
} from '#src/audit/log.ts';
import type { NewRequest } from '#src/approval/port.ts';
import type { Hint, Queue } from '#src/approval/queue.ts';
import { openRequests, type RequestParts } from '#src/approval/requests.ts';
import { CHANNEL } from '#src/approval/wake.ts';
import type { Directory, Person } from '#src/identity/person.ts';
import type { Requirement } from '#src/policy/verdict.ts';
import { type Database, openDatabase } from '#src/store/database.ts';
import { migrate } from '#src/store/migrate.ts';
import { openNotices } from '#src/store/notices.ts';
import { startPostgres } from './postgres.ts';

export type Fault = 'before' | 'after';

/** An AuditLog over the real store without the log: `within` runs in a transaction, and faults can be planted. */
export type FakeAudit = AuditLog & {
  /** What became durable, in order. */
  readonly entries: Entry[];
  /** The next append of this kind fails before, or after, its transaction commits. */
  fail(kind: Entry['kind'], when: Fault): void;
};

export function fakeAudit(db: Database): FakeAudit {
  const entries: Entry[] = [];
  const faults: { kind: Entry['kind']; when: Fault }[] = [];
  const take = (kind: Entry['kind'], when: Fault) => {
    const at = faults.findIndex((fault) => fault.kind === kind && fault.when === when);
    if (at >= 0) faults.splice(at, 1);
    return at >= 0;
  };
  let seq = 0n;
  return {
    entries,
    fail: (kind, when) => void faults.push({ kind, when }),
    async append(entry, within) {
      const record = randomUUID();
      if (take(entry.kind, 'before')) throw new NotRecorded('planted: before');
      if (within) await db.transaction((sql) => within(sql, record));
      entries.push(entry);
      if (take(entry.kind, 'after')) throw new NotRecorded('planted: after');
      const receipt = { record, writer: 'test', seq: (seq += 1n) };
      return (entry.binds ? { ...receipt, binds: entry.binds } : receipt) as unknown as Receipt;
    },
    later: (entry) => void entries.push(entry),
  };
}

/** Hints that stay in this process. `deaf` loses them all. */
export function fakeQueue(): Queue & { deaf: boolean; readonly published: Hint[] } {
  let handler: ((hint: Hint) => Promise<void>) | undefined;
  return {
    deaf: false,
    published: [],
    async publish(hint) {
      this.published.push(hint);
      if (!this.deaf) await handler?.(hint);
    },
    async consume(handle) {
      handler = handle;
    },
    async ping() {},
    async close() {},
  };
}

export const PEOPLE = new Map<string, Person>(
  [
    { email: 'engineer@example.com', name: 'Engineer', groups: ['engineering'] },
    { email: 'approver@example.com', name: 'Approver', groups: ['engineering', 'dba'] },
    { email: 'approver2@example.com', name: 'Second Approver', groups: ['dba'] },
    { email: 'security@example.com', name: 'Security', groups: ['security'] },
    { email: 'both@example.com', name: 'Both', groups: ['dba', 'security'] },
    { email: 'stranger@example.com', name: 'Stranger', groups: [] },
  ].map((one) => [one.email, one]),
);

/** A directory that can lose people, be changed and go down. */
export function fakeDirectory(): Directory & { people: Map<string, Person>; down: boolean } {
  return {
    people: new Map(PEOPLE),
    down: false,
    async find(email) {
      if (this.down) throw new Error('planted: the directory does not answer');
      return this.people.get(email.toLowerCase());
    },
  };
}

export function person(name: string): Person {
  const found = PEOPLE.get(`${name}@example.com`);
  if (!found) throw new Error(`nobody is called ${name}`);
  return found;
}

export const DBA: Requirement = {
  groups: [{ group: 'dba', quorum: 1 }],
  expiresMs: 900_000,
  reasonRequired: false,
  channels: [],
  reactionsVote: false,
};

export const digestOf = (text: string) => createHash('sha256').update(text).digest();

export function binding(text: string, verdict: Binding['verdict']): Binding {
  return { digest: digestOf(text), verdict };
}

export const STATEMENT = "update orders set status = 'refunded' where id = 42";

/** A held statement of the engineer, as the gate would ask for it. */
export function asked(
  requirement: Partial<Requirement> = {},
  card: Partial<NewRequest['card']> = {},
): NewRequest {
  return {
    kind: 'statement',
    body: { text: 'masked' },
    session: randomUUID(),
    statement: randomUUID(),
    requirement: { ...DBA, ...requirement },
    card: {
      person: person('engineer'),
      target: 'shop',
      database: 'shop',
      masked: STATEMENT,
      hidesWrite: false,
      words: ['updates shop.public.orders, bounded by id = 42'],
      rules: ['shop-writes-need-a-second-person'],
      message: 'changes to shop are approved by a DBA',
      client: '127.0.0.1',
      application: 'psql',
      ...card,
    },
    binds: binding(STATEMENT, 'hold'),
  };
}

/** An empty store with its migrations and a live lease of gateway `test`, epoch 1. */
export async function startStore() {
  const postgres = await startPostgres();
  const errors: Error[] = [];
  const db = openDatabase(postgres.url, { onError: (error) => void errors.push(error) });
  await migrate(db);
  await db.pool.query(
    "insert into countersign.gateway (name, epoch, lease_until) values ('test', 1, clock_timestamp() + interval '1 hour')",
  );
  return {
    db,
    postgres,
    errors,
    async stop() {
      await db.close();
      await postgres.stop();
    },
  };
}

/** Requests over a store, with every neighbour a fake that can fail. */
export async function startRequests(db: Database, changes: Partial<RequestParts> = {}) {
  const audit = fakeAudit(db);
  const queue = fakeQueue();
  const directory = fakeDirectory();
  const errors: Error[] = [];
  const lease = { gateway: 'test', epoch: 1n, alive: true, held: () => lease.alive };
  const notices = await openNotices(db, [CHANNEL], (error) => void errors.push(error));
  const requests = openRequests({
    db,
    notices,
    audit,
    queue,
    directory,
    lease,
    refusesRole: () => Promise.resolve(undefined),
    onError: (error) => void errors.push(error),
    ...changes,
  });
  const close = async () => {
    await requests.close();
    await notices.close();
  };
  return { requests: { ...requests, close }, audit, queue, directory, lease, errors };
}
