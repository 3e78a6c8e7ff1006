import type { Analysis, Meant, NamedThings } from '#src/statement/sql/analysis.ts';
import { meantBy } from '#src/statement/sql/meaning.ts';
import type { Field } from './codec.ts';
import type { ResultPlan } from './plan.ts';
import type { Run } from './recorder.ts';

/** A prepared statement as the server has it. `sql` is one by PREPARE, whose text is that of the whole PREPARE. */
export type Prepared = {
  readonly text: string;
  readonly types: readonly number[];
  readonly sql: boolean;
  readonly meant: Meant;
  /** What a Describe said of its result. */
  told?: readonly Field[];
};
type Part = Analysis['parts'][number];

/**
 * What exists on the target under a name, followed exactly: a change counts once the server has confirmed it, because
 * a statement judged under another text than the server has would run unjudged. Changes that are on their way lie over
 * it, and vanish together when the server skips the rest of a pipeline.
 */
export class Names<Thing> {
  #confirmed = new Map<string, Thing>();
  #pending = new Map<string, Thing | undefined>();
  #version = 0;

  /** Grows with every change of what `all` returns. */
  get version(): number {
    return this.#version;
  }

  get(name: string): Thing | undefined {
    return this.#pending.has(name) ? this.#pending.get(name) : this.#confirmed.get(name);
  }
  /** Sent to the server, not answered yet. A name that is taken stays what it is: the server will refuse the second. */
  expect(name: string, thing: Thing): boolean {
    if (name !== '' && this.get(name) !== undefined) return false;
    this.#pending.set(name, thing);
    this.#version += 1;
    return true;
  }
  /** Sent to the server: after it, this name (`*`: every name) is free again. */
  expectGone(which: string): void {
    this.#version += 1;
    if (which !== '*') this.#pending.set(which, undefined);
    else for (const name of this.all().keys()) this.#pending.set(name, undefined);
  }
  confirm(name: string, thing: Thing): void {
    if (this.#pending.get(name) === thing) this.#pending.delete(name);
    this.#confirmed.set(name, thing);
    this.#version += 1;
  }
  confirmGone(which: string): void {
    this.#version += 1;
    if (which === '*') this.#confirmed.clear();
    else this.#confirmed.delete(which);
  }
  /** The server has answered everything, or skipped it: what was not confirmed did not happen. */
  settle(): void {
    if (this.#pending.size === 0) return;
    this.#pending.clear();
    this.#version += 1;
  }
  clear(): void {
    this.settle();
    if (this.#confirmed.size === 0) return;
    this.#confirmed.clear();
    this.#version += 1;
  }
  /** Everything that a statement sent now would find. */
  all(): ReadonlyMap<string, Thing> {
    if (this.#pending.size === 0) return this.#confirmed;
    const all = new Map(this.#confirmed);
    for (const [name, thing] of this.#pending)
      if (thing === undefined) all.delete(name);
      else all.set(name, thing);
    return all;
  }
}

const none: NamedThings['prepared'] = new Map();

/** A portal that was bound under a permit. */
export type Portal = {
  readonly plans: readonly ResultPlan[];
  readonly run: Run;
  /** Of the rules it was judged by. */
  readonly generation: number;
  /** When the fresh sign-in that it was judged behind counts no longer; milliseconds since the epoch. */
  readonly until: number | undefined;
  /** The session's `steps` when it was bound; undefined once it was executed: then its result is there. */
  steps: number | undefined;
  /** What our own Describe said, where rows are masked. */
  fields?: readonly Field[];
  /** What the client's Describe said. */
  told?: readonly Field[];
  readonly prepared: Prepared;
  readonly resultFormats: readonly number[];
};

/** The names of one session. On the server, portals and cursors share their names, and end with the transaction. */
export class SessionNames {
  readonly prepared = new Names<Prepared>();
  readonly cursors = new Names<Part>();
  readonly portals = new Names<Portal>();
  #things: NamedThings = { prepared: none, cursors: new Map() };
  #bound: string | undefined = '';
  #version = 0;

  /** For the analyser: what EXECUTE and FETCH speak of. The same object as long as nothing has changed. */
  things(): NamedThings {
    const version = this.prepared.version + this.cursors.version;
    if (version === this.#version) return this.#things;
    this.#version = version;
    this.#bound = undefined;
    const prepared = this.prepared.all();
    return (this.#things = {
      prepared: prepared.size === 0 ? none : new Map(prepared),
      cursors: new Map(this.cursors.all()),
    });
  }

  /** All of `things` in one text, for the binding. */
  bound(): string {
    const { prepared, cursors } = this.things();
    return (this.#bound ??=
      prepared.size + cursors.size === 0
        ? ''
        : JSON.stringify([[...prepared], [...cursors].map(([name, part]) => [name, part.text])]));
  }

  /** A statement is on its way: what it will have done to names if it succeeds. */
  expect(part: Part): void {
    if (part.deallocates !== undefined) this.prepared.expectGone(part.deallocates);
    const closes = closed(part);
    if (closes !== undefined) {
      this.cursors.expectGone(closes);
      this.portals.expectGone(closes);
    }
    if (part.prepares) this.prepared.expect(part.prepares.name, preparedBy(part.prepares));
    if (part.declares) this.cursors.expect(part.declares.cursor, part);
  }

  /** The server has completed it. */
  completed(part: Part): void {
    if (part.deallocates !== undefined) this.prepared.confirmGone(part.deallocates);
    const closes = closed(part);
    if (closes !== undefined) {
      this.cursors.confirmGone(closes);
      this.portals.confirmGone(closes);
    }
    if (part.prepares) this.prepared.confirm(part.prepares.name, preparedBy(part.prepares));
    if (part.declares) this.cursors.confirm(part.declares.cursor, part);
  }

  settle(): void {
    this.prepared.settle();
    this.cursors.settle();
    this.portals.settle();
  }

  /** No transaction is open: no portal or cursor is left. (One WITH HOLD is, and cannot be fetched from any more.) */
  transactionEnded(): void {
    this.cursors.clear();
    this.portals.clear();
  }
}

const KEEPS_PORTALS: readonly Part['control'][] = ['begin', 'savepoint', 'release'];

/**
 * Whose portals and cursors are gone afterwards; the end of a (sub)transaction takes them all along, and a procedure
 * can end one. To forget one that is still there is safe: the server refuses a second of its name.
 */
function closed(part: Part): string | undefined {
  const ends = part.control !== undefined && !KEEPS_PORTALS.includes(part.control);
  return ends || part.class === 'call' || part.class === 'do' ? '*' : part.closes;
}

const preparedBy = ({ text, meaning }: NonNullable<Part['prepares']>): Prepared => ({
  text,
  types: [],
  sql: true,
  meant: meantBy(meaning),
});
