import { parseSize } from './checkpoint.ts';
import { decode64, Malformed } from './note.ts';

/** C2SP tlog-proof: that an entry is at `index` of the tree whose signed checkpoint is `checkpoint`, a note as text. */
export type Proof = {
  readonly index: number;
  readonly hashes: readonly Buffer[];
  readonly checkpoint: string;
  /** Not authenticated by itself; here the leaf, whose hash is what the proof is about. */
  readonly extra?: Buffer;
};

const HEAD = 'c2sp.org/tlog-proof@v1';

export function formatProof({ index, hashes, checkpoint, extra }: Proof): string {
  const lines = [
    HEAD,
    ...(extra ? [`extra ${extra.toString('base64')}`] : []),
    `index ${index}`,
    ...hashes.map((hash) => hash.toString('base64')),
  ];
  return `${lines.join('\n')}\n\n${checkpoint}`;
}

/** Reads a proof; checks nothing but its form. Throws Malformed. */
export function parseProof(text: string): Proof {
  const split = text.indexOf('\n\n');
  const lines = text.slice(0, Math.max(0, split)).split('\n');
  if (lines.shift() !== HEAD) throw new Malformed(`the file does not begin with ${HEAD}`);
  const extra = lines[0]?.startsWith('extra ') ? decode64(lines.shift()?.slice(6) ?? '') : null;
  if (extra === undefined) throw new Malformed('the extra data of the proof is not base64');
  const first = lines.shift() ?? '';
  const index = first.startsWith('index ') ? parseSize(first.slice(6)) : undefined;
  if (index === undefined) throw new Malformed('the proof does not say its index');
  return {
    index,
    hashes: lines.map(parseHash),
    checkpoint: text.slice(split + 2),
    ...(extra && { extra }),
  };
}

function parseHash(line: string): Buffer {
  const hash = decode64(line);
  if (hash?.length !== 32) throw new Malformed('a hash of the proof is not 32 bytes in base64');
  return hash;
}
