import type { Receipt } from '#src/audit/log.ts';
import type { Obligations } from '#src/policy/verdict.ts';

/** The right to run one statement once. It cannot exist before its record does. */
export type Permit = {
  readonly statement: string;
  readonly receipt: Receipt;
  readonly obligations: Obligations;
  readonly [issued]: true;
};
declare const issued: unique symbol;

class Issued {
  readonly statement: string;
  readonly receipt: Receipt;
  readonly obligations: Obligations;
  // What is private to this class cannot be forged, and is found faster than in a WeakSet.
  #fresh = true;

  constructor(statement: string, receipt: Receipt, obligations: Obligations) {
    this.statement = statement;
    this.receipt = receipt;
    this.obligations = obligations;
  }

  /** False when it was used, or is none of ours. */
  static use(permit: object): boolean {
    if (!(#fresh in permit) || !permit.#fresh) return false;
    permit.#fresh = false;
    return true;
  }
}

/** Throws when the receipt does not stand for this digest with a verdict that lets it run. */
export function issuePermit(
  statement: string,
  digest: Buffer,
  receipt: Receipt,
  obligations: Obligations,
): Permit {
  const binds = receipt.binds;
  if (!binds?.digest.equals(digest)) throw new Error('the receipt stands for another statement');
  if (binds.verdict !== 'allow' && binds.verdict !== 'approved')
    throw new Error(`the receipt stands for the verdict ${binds.verdict}`);
  const permit: unknown = new Issued(statement, receipt, obligations);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the one place a Permit is made
  return permit as Permit;
}

/** Marks a permit as used; throws on the second use. Every target calls it before the first byte goes out. */
export function spend(permit: Permit): void {
  if (!Issued.use(permit))
    throw new Error('this permit has been used, or was not made by the gate');
}
