import { readFile, stat } from 'node:fs/promises';
import { parseCheckpoint, type Checkpoint } from '#src/audit/tree/checkpoint.ts';
import { Malformed, parseNote } from '#src/audit/tree/note.ts';
import { parseProof } from '#src/audit/tree/proof.ts';
import type { Trust } from '#src/audit/tree/trust.ts';
import { logFiles } from '#src/audit/tree/verify-files.ts';
import { untrusted } from '#src/audit/tree/verify-tree.ts';
import { usageFailure } from '../failure.ts';

/**
 * The checkpoint that somebody has kept: in a file, in a proof file, or of a mirror (folder or address). It must be signed
 * by a log of the trust file; witnesses are not asked for, since it is only compared with.
 */
export async function readSeen(place: string, trust: Trust): Promise<Checkpoint> {
  const text = await noteAt(place).catch((cause: unknown) => {
    throw usageFailure(`${place} cannot be read`, String(cause));
  });
  if (text === undefined) throw usageFailure(`${place} holds no checkpoint`);
  const [wrong] = untrusted(text, { ...trust, quorum: () => true });
  if (wrong !== undefined) throw new Malformed(`${place}: ${wrong}`);
  return parseCheckpoint(parseNote(text).text);
}

async function noteAt(place: string): Promise<string | undefined> {
  const isUrl = /^https?:\/\//.test(place);
  if (isUrl || (await stat(place)).isDirectory())
    return (await logFiles(place)('checkpoint'))?.toString();
  const text = await readFile(place, 'utf8');
  return text.startsWith('c2sp.org/tlog-proof') ? parseProof(text).checkpoint : text;
}
