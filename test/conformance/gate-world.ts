import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { test } from 'node:test';
import {
  admit,
  type Admitted,
  type Asked,
  type GateDeps,
  type RefusalCode,
} from '#gateway/gate/gate.ts';
import { Holds, Withdrawal } from '#gateway/gate/holds.ts';
import { spend, type Permit } from '#gateway/gate/permit.ts';
import { NotClaimed, type EndState, type Requests } from '#src/approval/port.ts';
import type { Request, RequestState } from '#src/approval/request.ts';
import {
  NotRecorded,
  type AuditLog,
  type Entry,
  type Receipt,
  type Within,
} from '#src/audit/log.ts';
import type { Subject } from '#src/identity/person.ts';
import type { Policy } from '#src/policy/policy.ts';
import type { Allow, Deny, Hold, Requirement, Verdict } from '#src/policy/verdict.ts';
import type { Effect } from '#src/statement/effect.ts';
import { Metrics } from '#src/telemetry/metrics.ts';
import type { Look, Protocol } from '#src/statement/statement.ts';
import { unrecordedRuns } from './unrecorded.ts';

const PROTOCOLS: readonly Protocol[] = ['postgres', 'ssh', 'kubernetes', 'tool'];

/** What happened, in order: records that became durable, and statements that reached the target. */
export type Step =
  | { readonly kind: 'record'; readonly entry: Entry; readonly receipt: Receipt }
  | { readonly kind: 'run'; readonly permit: Permit; readonly text: string };

export const allow: Allow = { kind: 'allow', rules: ['may'], masks: new Map() };
export const deny: Deny = { kind: 'deny', rules: ['never'], message: 'not here' };
export const dba: Requirement = {
  groups: [{ group: 'dba', quorum: 1 }],
  expiresMs: 60_000,
  reasonRequired: false,
  channels: [],
  reactionsVote: false,
};
export const holdFor = (requirement: Partial<Requirement> = {}): Hold => ({
  kind: 'hold',
  rules: ['ask'],
  message: 'a second person decides',
  masks: new Map(),
  requirement: { ...dba, ...requirement },
});
export const ENGINEER: Subject = {
  person: { email: 'engineer@example.com', name: 'Engineer', groups: ['engineering'] },
  roles: [],
};

export const effect = (changes: Partial<Effect> = {}): Effect => ({
  class: 'update',
  accesses: [],
  columns: [],
  bounded: true,
  words: '',
  ...changes,
});

export const lookAt = (text: string, changes: Partial<Look> = {}): Look => ({
  effects: [effect()],
  words: ['changes something'],
  masked: text,
  hidesWrite: false,
  digest: createHash('sha256').update(text).digest(),
  ...changes,
});

/** A target that runs whatever text comes with a permit, and counts. */
export class CountingTarget {
  readonly #trace: Step[];
  constructor(trace: Step[]) {
    this.#trace = trace;
  }
  run(permit: Permit, text: string): void {
    spend(permit);
    this.#trace.push({ kind: 'run', permit, text });
  }
}

type Fault = 'before' | 'after';

const NO_SQL = {
  query: () => Promise.reject(new Error('there is no store')),
} as unknown as Parameters<Within>[0];

/** A log in memory that can fail before or after a record is durable, or hand out a receipt for something else. */
class MemoryLog implements AuditLog {
  readonly #trace: Step[];
  readonly faults = new Map<string, Fault>();
  forge: (receipt: Receipt) => Receipt = (receipt) => receipt;
  constructor(trace: Step[]) {
    this.#trace = trace;
  }
  async append(entry: Entry, within?: Within): Promise<Receipt> {
    const fault = this.faults.get(entry.kind);
    if (fault === 'before') throw new NotRecorded('planted: before');
    await within?.(NO_SQL, '');
    const seq = BigInt(this.#trace.length + 1);
    const made = { record: randomUUID(), writer: 'test', seq };
    const receipt = { ...made, ...(entry.binds && { binds: entry.binds }) } as unknown as Receipt;
    this.#trace.push({ kind: 'record', entry, receipt });
    if (fault === 'after') throw new NotRecorded('planted: after');
    return this.forge(receipt);
  }
  later(entry: Entry): void {
    void this.append(entry);
  }
}

/** Requests in memory, on the same log. */
class MemoryRequests implements Requests {
  readonly all = new Map<string, Request>();
  readonly #log: MemoryLog;
  /** What the next claim rejects with, in place of claiming. */
  notClaimed: RequestState | 'lease-lost' | undefined;
  #changed = new Set<() => void>();
  constructor(log: MemoryLog) {
    this.#log = log;
  }
  async open(asked: Parameters<Requests['open']>[0]): Promise<Request> {
    const id = randomUUID();
    const request: Request = {
      id,
      version: 1,
      state: 'pending',
      kind: 'statement',
      gateway: 'test',
      session: asked.session,
      statement: asked.statement,
      requirement: asked.requirement,
      card: { ...asked.card, digest: '0123456789abcdef' },
      decisions: [],
      record: randomUUID(),
      createdAt: new Date().toISOString(),
      expiresAt: new Date(Date.now() + asked.requirement.expiresMs).toISOString(),
    };
    const { statement, session, binds } = asked;
    const entry: Entry = {
      kind: 'statement',
      session,
      statement,
      request: id,
      verdict: 'hold',
      body: asked.body,
      binds,
    };
    await this.#log.append(entry, async () => void this.all.set(id, request));
    return request;
  }
  get = (id: string) => Promise.resolve(this.all.get(id));
  list = () => Promise.resolve([...this.all.values()]);
  decide = (): never => {
    throw new Error('the gate does not decide');
  };
  async claim(id: string, binds: Parameters<Requests['claim']>[1]): Promise<Receipt> {
    if (this.notClaimed) throw new NotClaimed(this.notClaimed);
    const request = this.#need(id);
    if (request.state !== 'approved') throw new NotClaimed(request.state);
    const { session = '', statement = '' } = request;
    return this.#log.append(
      { kind: 'claim', session, statement, request: id, verdict: 'approved', body: {}, binds },
      async () => this.set(id, 'running'),
    );
  }
  async end(id: string, state: EndState, why: string): Promise<boolean> {
    const now = this.#need(id);
    if (now.state !== 'pending' && now.state !== 'approved') return false;
    const { session = '', statement = '' } = now;
    await this.#log.append(
      { kind: 'request', session, statement, request: id, body: { event: state, why } },
      async () => this.set(id, state),
    );
    return true;
  }
  finish = () => Promise.resolve();
  tellRows = () => Promise.resolve(false);
  findShape = () => Promise.resolve(undefined);
  runOnShape = (): never => {
    throw new Error('no shape is ever approved here');
  };
  revokeShape = (): never => {
    throw new Error('no shape is ever approved here');
  };
  async settled(id: string, signal: AbortSignal): Promise<Request> {
    for (;;) {
      signal.throwIfAborted();
      const now = this.#need(id);
      if (now.state !== 'pending') return now;
      await new Promise<void>((resolve) => {
        this.#changed.add(resolve);
        signal.addEventListener('abort', () => resolve());
      });
    }
  }
  set(id: string, state: RequestState, more: Partial<Request> = {}): void {
    this.all.set(id, { ...this.#need(id), ...more, state });
    for (const resolve of this.#changed) resolve();
    this.#changed.clear();
  }
  #need(id: string): Request {
    const found = this.all.get(id);
    if (!found) throw new Error(`no request ${id}`);
    return found;
  }
}

/** The gate with everything around it in memory; what it permits is run at once. */
function makeWorld(protocol: Protocol) {
  const trace: Step[] = [];
  const log = new MemoryLog(trace);
  const requests = new MemoryRequests(log);
  const failures: unknown[] = [];
  const holds = new Holds();
  const world = {
    trace,
    log,
    requests,
    failures,
    holds,
    target: new CountingTarget(trace),
    verdict: allow as Verdict,
    /** Of the person who asks, as the directory knows them now. */
    subject: ENGINEER as Subject | undefined,
    deps: undefined as unknown as GateDeps,
    /** Called with the id of each request that waits. */
    held: (_id: string): void => undefined,
    client: new AbortController(),
    asked(text: string, changes: Partial<Asked> = {}): Asked {
      return {
        session: {
          id: randomUUID(),
          protocol,
          person: 'engineer@example.com',
          target: { name: 'shop', environment: 'production', timeZone: 'UTC' },
          database: 'shop',
          client: '127.0.0.1',
          application: 'test',
          holdInTransactionMs: 5_000,
        },
        exact: text,
        look: lookAt(text),
        lookAgain: () => Promise.resolve(lookAt(text)),
        context: { inTransaction: false },
        signal: world.client.signal,
        onHeld: () => {
          const id = [...requests.all.keys()].at(-1) ?? '';
          queueMicrotask(() => world.held(id));
        },
        ...changes,
      };
    },
    /** As a session does: through the gate, and to the target when it may run. */
    async send(text: string, changes: Partial<Asked> = {}): Promise<Admitted> {
      const asked = world.asked(text, changes);
      const admitted = await admit(world.deps, asked);
      if (admitted.kind === 'run') world.target.run(admitted.permit, asked.exact);
      return admitted;
    },
    /** Texts that must have reached the target, in order; `forEveryProtocol` checks it. */
    expected: [] as readonly string[],
    states: () => [...requests.all.values()].map((request) => request.state),
    kinds: () => trace.map((step) => (step.kind === 'run' ? 'run' : step.entry.kind)),
    approve: (id: string) => requests.set(id, 'approved'),
    ran: () => trace.flatMap((step) => (step.kind === 'run' ? [step.text] : [])),
    withdraw: (state: 'withdrawn' | 'abandoned' = 'withdrawn') =>
      world.client.abort(new Withdrawal(state, `it was ${state}`)),
  };
  const policy: Policy = {
    version: 'v1',
    connect: () => allow,
    judge: () => world.verdict,
    access: () => ({ kind: 'deny', rules: [], message: 'nobody asks here' }),
    roles: () => [],
    asksRows: () => false,
    unrestricted: () => false,
    hides: () => false,
    isRuled: () => false,
  };
  world.deps = {
    audit: log,
    requests,
    policy: () => policy,
    subject: () => Promise.resolve(world.subject),
    signIn: () => Promise.resolve(undefined),
    holds,
    publicUrl: 'http://127.0.0.1:1',
    onFailure: (error) => failures.push(error),
    telemetry: { metrics: new Metrics(['shop']) },
  };
  return world;
}

type World = ReturnType<typeof makeWorld>;

/** One test a protocol. Whatever the body does, what ran is exactly what it expects, each behind its own record. */
export function forEveryProtocol(name: string, body: (world: World) => Promise<void>): void {
  for (const protocol of PROTOCOLS)
    void test(`${protocol}: ${name}`, async () => {
      const world = makeWorld(protocol);
      await body(world);
      assert.deepEqual(world.ran(), world.expected);
      assert.deepEqual(unrecordedRuns(world.trace), []);
      assert.equal(world.holds.size, 0, 'no statement is kept once it has ended');
    });
}

/** The text of a refusal with this code. */
export function refused(admitted: Admitted, code: RefusalCode): string {
  assert.ok(admitted.kind === 'refuse');
  assert.equal(admitted.refusal.code, code, admitted.refusal.message);
  assert.match(admitted.refusal.message, /^countersign: /);
  assert.ok(admitted.refusal.hint, 'a refusal says what to do next');
  return admitted.refusal.message;
}
