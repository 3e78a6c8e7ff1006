import type { Analysis, NamedThings } from '#src/statement/sql/analysis.ts';

/** A prepared statement as the server has it. `sql` is one by PREPARE, whose text is that of the whole PREPARE. */
export type Prepared = {
  readonly text: string;
  readonly types: readonly number[];
  readonly sql: boolean;
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

  get(name: string): Thing | undefined {
    return this.#pending.has(name) ? this.#pending.get(name) : this.#confirmed.get(name);
  }
  /** Sent to the server, not answered yet. A name that is taken stays what it is: the server will refuse the second. */
  expect(name: string, thing: Thing | undefined): boolean {
    if (thing !== undefined && name !== '' && this.get(name) !== undefined) return false;
    this.#pending.set(name, thing);
    return true;
  }
  confirm(name: string, thing: Thing | undefined): void {
    if (this.#pending.get(name) === thing) this.#pending.delete(name);
    if (thing === undefined) this.#confirmed.delete(name);
    else this.#confirmed.set(name, thing);
  }
  /** The server has answered everything, or skipped it: what was not confirmed did not happen. */
  settle(): void {
    this.#pending.clear();
  }
  clear(): void {
    this.#confirmed.clear();
    this.#pending.clear();
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

/** The names of one session. */
export class SessionNames {
  readonly prepared = new Names<Prepared>();
  readonly cursors = new Names<Part>();

  /** For the analyser: what EXECUTE and FETCH speak of. */
  things(): NamedThings {
    return { prepared: texts(this.prepared.all()), cursors: this.cursors.all() };
  }

  /** What a statement will have done to names once the server completes it. */
  expect(part: Part): void {
    if (part.prepares) this.prepared.expect(part.prepares.name, preparedBy(part.prepares.text));
    if (part.declares) this.cursors.expect(part.declares.cursor, part);
  }

  /** The server has completed it. */
  completed(part: Part): void {
    if (part.prepares) this.prepared.confirm(part.prepares.name, preparedBy(part.prepares.text));
    if (part.declares) this.cursors.confirm(part.declares.cursor, part);
    forget(this.prepared, part.deallocates);
    forget(this.cursors, part.closes);
  }

  settle(): void {
    this.prepared.settle();
    this.cursors.settle();
  }
}

const preparedBy = (text: string): Prepared => ({ text, types: [], sql: true });

function forget(names: Names<unknown>, which: string | undefined): void {
  if (which === '*') names.clear();
  else if (which !== undefined) names.confirm(which, undefined);
}

const none: NamedThings['prepared'] = new Map();
function texts(prepared: ReadonlyMap<string, Prepared>): NamedThings['prepared'] {
  if (prepared.size === 0) return none;
  return new Map([...prepared].map(([name, known]) => [name, known.sql ? known.text : known]));
}
