import { decode64, Malformed } from './note.ts';

/** The head of a tree (C2SP tlog-checkpoint). `root` is 32 bytes. */
export type Checkpoint = { readonly origin: string; readonly size: number; readonly root: Buffer };

/** The text of the note; nothing follows the root, because nobody could check what does. */
export function checkpointText({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${root.toString('base64')}\n`;
}

/** Reads the text of a checkpoint's note; extension lines are passed over. Throws Malformed. */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin = '', size = '', encoded = '', ...more] = text.split('\n');
  const root = decode64(encoded);
  const count = parseSize(size);
  if (origin === '' || count === undefined || root?.length !== 32 || more.pop() !== '')
    throw new Malformed('this is not a checkpoint: its lines are not origin, size and root');
  if (more.includes('')) throw new Malformed('the checkpoint has an empty line');
  return { origin, size: count, root };
}

/** Decimal without leading zeroes, at most 2^53 - 1; undefined for anything else. */
export function parseSize(text: string): number | undefined {
  const size = /^(?:0|[1-9]\d{0,15})$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(size) ? size : undefined;
}
