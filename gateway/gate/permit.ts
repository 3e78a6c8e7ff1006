import type { Receipt } from '#src/audit/log.ts';
import type { Obligations } from '#src/policy/verdict.ts';

declare const issued: unique symbol;
/** The right to run one statement once. It cannot exist before its record does. */
export type Permit = {
  readonly statement: string;
  readonly receipt: Receipt;
  readonly obligations: Obligations;
  readonly [issued]: true;
};

/** Issued and not used yet. */
const valid = new WeakSet<Permit>();

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
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the one place a Permit is made
  const permit = { statement, receipt, obligations } as Permit;
  valid.add(permit);
  return permit;
}

/** Marks a permit as used; throws on the second use. Every target calls it before the first byte goes out. */
export function spend(permit: Permit): void {
  if (!valid.delete(permit))
    throw new Error('this permit has been used, or was not made by the gate');
}
