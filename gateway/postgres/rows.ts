import { bodyOf, type Field } from './codec.ts';
import { type CopyRows, copyRows } from './copy-rows.ts';
import type { Counts } from './counts.ts';
import { type Expected, unasked } from './expected.ts';
import { cellMasks, Masker, type Masking, type Piece } from './masker.ts';
import type { ResultPlan } from './plan.ts';

/** The rows of one result after another: masked, counted, and no more of them than a rule lets out. */
export class Rows {
  readonly #masking: Masking;
  readonly #counts: Counts;
  readonly #cancel: () => void;
  #plan: ResultPlan | undefined;
  #masker: Masker | undefined;
  #copy: CopyRows | undefined;

  constructor(masking: Masking, counts: Counts, cancel: () => void) {
    this.#masking = masking;
    this.#counts = counts;
    this.#cancel = cancel;
  }

  begin(head: Expected | undefined, plan: ResultPlan | undefined): void {
    this.#plan = plan;
    this.#masker = undefined;
    this.#copy = undefined;
    this.#counts.begin(head, plan);
  }

  /** The target has said what the rows are made of. */
  described(fields: readonly Field[]): void {
    const plan = this.#plan;
    if (!plan?.masks) return;
    const cells = cellMasks(plan.masks, fields, this.#masking.key, plan.part.ownType);
    this.#masker = new Masker(cells, this.#masking);
  }

  /** What goes out of DataRows that lie side by side; undefined when it is nothing. */
  dataRows({ buffer, start, end }: Piece): Piece | undefined {
    const until = this.#allowed(buffer, start, end);
    if (until === start) return undefined;
    if (!this.#plan?.masks) return { buffer, start, end: until };
    if (!this.#masker) throw unasked('rows that it did not describe');
    return this.#masker.rows(buffer, start, until);
  }

  /** What `dataRows` gave has gone out. */
  gone(): void {
    this.#masker?.gone();
  }

  /** Where the rows end that may go out. */
  #allowed(buffer: Buffer, start: number, end: number): number {
    let until = start;
    for (let at = start; at < end; at += 1 + buffer.readInt32BE(at + 1))
      if (this.#within()) until = at + 1 + buffer.readInt32BE(at + 1);
    return until;
  }

  copyBegins(): void {
    this.#copy = this.#plan && copyRows(this.#plan, this.#masking);
  }

  /** Passes on what goes out of a CopyData. */
  copied({ buffer, start, end }: Piece, pass: (out: Piece) => void): void {
    if (!this.#copy) throw unasked('data');
    const frame = { type: 0, buffer, start, end, first: true, last: true };
    for (const { piece, counts } of this.#copy.push(bodyOf(frame)))
      if (!counts || this.#within()) pass(piece);
  }

  /** False when nothing is said of it: an error takes its place. */
  copyEnds(): boolean {
    this.#copy?.end();
    return !this.#counts.over;
  }

  #within(): boolean {
    const counted = this.#counts.row();
    if (counted === 'first') this.#cancel();
    return counted === 'within';
  }
}
