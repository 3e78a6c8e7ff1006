import { verify } from 'node:crypto';
import { z } from 'zod';
import type { Database } from '../store/database.ts';
import type { Tail } from './draft.ts';
import type { JsonObject } from './log.ts';
import {
  decode64,
  ED25519,
  formatVkey,
  Malformed,
  noteKey,
  parseVkey,
  type NoteKey,
} from './tree/note.ts';
import type { Keys } from './tree/signing-key.ts';

/** What a writer signs of its chain: FORMAT.md. */
export const headText = (writer: string, { seq, hash }: Tail): string =>
  `countersign/writer-head/v1\n${writer}\n${seq}\n${hash.toString('base64')}\n`;

/** What its old key signs for the new one to follow, `last` being the record before the announcement. */
const handOverText = (writer: string, { seq, hash }: Tail, vkey: string): string =>
  `countersign/writer-key/v1\n${writer}\n${seq}\n${hash.toString('base64')}\n${vkey}\n`;

const start = z.object({
  event: z.literal('start'),
  epoch: z.int(),
  key: z.string(),
  heartbeat: z.number().optional(),
  previous: z.object({ key: z.string(), signature: z.string() }).optional(),
});
const announcement = z.discriminatedUnion('event', [
  start,
  z.object({ event: z.literal('stop'), epoch: z.int() }),
]);
const committed = z.object({ body: announcement });
export type Announcement = z.infer<typeof announcement>;
export type Start = z.infer<typeof start>;

/** What a `writer` record's body says; undefined when it says nothing of this version. */
export function readAnnouncement(body: string): Announcement | undefined {
  const value: unknown = JSON.parse(body);
  return committed.safeParse(value).data?.body;
}

/** The key that a start announces; undefined when it is none, or is another writer's. */
export function announcedKey(writer: string, { key }: Start): NoteKey | undefined {
  try {
    const parsed = parseVkey(key);
    return parsed.name === writer && parsed.type === ED25519 ? parsed : undefined;
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

/** Whether the key before it has signed that the announced one follows. */
export function handedOver(writer: string, last: Tail, said: Start, old: NoteKey): boolean {
  const { key, previous } = said;
  const made = decode64(previous?.signature ?? '');
  if (previous?.key !== formatVkey(old) || made?.length !== 64) return false;
  return verify(undefined, Buffer.from(handOverText(writer, last, key)), old.key, made);
}

/** The key that a writer has announced last. */
export async function lastAnnounced(
  db: Pick<Database, 'pool'>,
  writer: string,
): Promise<NoteKey | undefined> {
  const { rows } = await db.pool.query<{ body: string | null }>(
    `select body from countersign.record_body join countersign.record using (writer, id)
     where writer = $1 and kind = 'writer'
       and epoch = (select max(epoch) from countersign.record_body where writer = $1 and kind = 'writer')
     order by seq desc limit 2`,
    [writer],
  );
  for (const { body } of rows) {
    const said = body === null ? undefined : readAnnouncement(body);
    if (said?.event === 'start') return announcedKey(writer, said);
  }
  return undefined;
}

export type Starting = {
  readonly writer: string;
  readonly epoch: number;
  readonly keys: Keys;
  /** How often heartbeats will come; undefined when none will. */
  readonly heartbeatMs?: number | undefined;
  /** The newest record of the chain, and the key that was announced in it. */
  readonly last: Tail;
  readonly before: NoteKey | undefined;
};

/**
 * The body of the record that a process begins with. Rejects when its chain belongs to a key that it does not have: what
 * it would write could not be told from what somebody else did.
 */
export async function startBody({
  writer,
  epoch,
  keys,
  heartbeatMs,
  last,
  before,
}: Starting): Promise<JsonObject> {
  const own = noteKey(writer, ED25519, keys.current.key);
  const vkey = formatVkey(own);
  const heartbeat = heartbeatMs === undefined ? {} : { heartbeat: heartbeatMs };
  const body = { event: 'start', writer, epoch, key: vkey, ...heartbeat };
  if (!before || before.raw.equals(own.raw)) return body;
  const old = keys.retired.find(({ key }) => noteKey(writer, ED25519, key).raw.equals(before.raw));
  if (!old)
    throw new Error(
      `the chain of ${writer} is signed with the key ${formatVkey(before)}, which this process does not have: ` +
        'bring back the file log/writer.pem, or begin a new chain by giving this gateway another name',
    );
  const signature = await old.sign(Buffer.from(handOverText(writer, last, vkey)));
  return {
    ...body,
    previous: { key: formatVkey(before), signature: signature.toString('base64') },
  };
}
