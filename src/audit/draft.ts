import { randomBytes, randomUUID } from 'node:crypto';
import { canonical } from './canonical.ts';
import { commitment, keyedDigest, leafBytes, leafHash } from './chain.ts';
import { bigintArray, byteaArray, textArray, timestampArray, uuidArray } from './encode.ts';
import type { Entry, Json, JsonObject } from './log.ts';

/** A record that lacks only its place in the chain. */
export type Draft = {
  readonly id: string;
  readonly time: string;
  readonly entry: Entry;
  readonly salt: Buffer;
  /** Canonical JSON of what the leaf commits to; see FORMAT.md. */
  readonly body: string;
  readonly commit: string;
};

/** The newest record of a writer; `seq` 0 and an empty hash before the first. */
export type Tail = { readonly seq: number; readonly hash: Buffer };

export type Sealed = { readonly draft: Draft; readonly leaf: Buffer; readonly tail: Tail };

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Throws a TypeError when the entry could not be stored; it must not spoil the batch it would share. */
export function draftOf(entry: Entry, epoch: number): Draft {
  for (const id of [entry.session, entry.statement, entry.request])
    if (id !== undefined && !UUID.test(id)) throw new TypeError(`not a lower-case UUID: ${id}`);
  for (const text of [entry.person, entry.agent, entry.target])
    if (text?.includes('\0')) throw new TypeError('a name holds a zero byte');
  if (entry.binds && entry.verdict !== entry.binds.verdict)
    throw new TypeError(
      `the verdict ${entry.verdict} is not the bound one, ${entry.binds.verdict}`,
    );
  const time = new Date().toISOString();
  // Beyond the year 9999 no leaf can say it, and no record of this writer after it would be taken into the tree.
  if (time.length !== 24) throw new TypeError(`the clock shows ${time}`);
  const salt = freshSalt(entry.binds ? 2 * SALT : SALT);
  const body = committed(entry, epoch, salt);
  return {
    id: randomUUID(),
    time,
    entry,
    salt,
    body,
    commit: commitment(salt, body),
  };
}

const SALT = 32;
let random = Buffer.alloc(0);

/** Random bytes that nobody else gets; asked of the system for many records at once. */
function freshSalt(length: number): Buffer {
  if (random.length < length) random = randomBytes(64 * SALT);
  const salt = random.subarray(0, length);
  random = random.subarray(length);
  return salt;
}

/**
 * Canonical JSON of what is committed. What the columns of record_body repeat is committed too, so that verify can tell
 * when an index was changed. Put together as text: it is the same few keys for every record.
 */
function committed(entry: Entry, epoch: number, salt: Buffer): string {
  const { session, statement, request, person, agent, target, verdict, binds } = entry;
  const body = binds ? withDigest(entry.body, keyedDigest(salt, binds.digest)) : entry.body;
  return (
    (agent === undefined ? '{' : `{"agent":${canonical(agent)},`) +
    `"body":${canonical(body)},"epoch":${canonical(epoch)}` +
    member('person', person) +
    member('request', request) +
    member('session', session) +
    member('statement', statement) +
    member('target', target) +
    member('verdict', verdict) +
    '}'
  );
}

const member = (key: string, value: string | undefined): string =>
  value === undefined ? '' : `,"${key}":${canonical(value)}`;

/** In its place among the keys. */
function withDigest(body: JsonObject, digest: string): JsonObject {
  const whole: Record<string, Json> = {};
  let placed = false;
  for (const [key, value] of Object.entries(body)) {
    if (!placed && key >= 'digest') {
      whole['digest'] = digest;
      placed = true;
    }
    if (key !== 'digest') whole[key] = value;
  }
  if (!placed) whole['digest'] = digest;
  return whole;
}

/** Gives drafts their places after `tail`, in order. */
export function seal(drafts: readonly Draft[], writer: string, tail: Tail): readonly Sealed[] {
  let { seq, hash } = tail;
  return drafts.map((draft) => {
    const { id, time, commit } = draft;
    const { kind } = draft.entry;
    const leaf = leafBytes({
      writer,
      seq: ++seq,
      prev: hash.toString('base64'),
      time,
      kind,
      id,
      commit,
    });
    hash = leafHash(leaf);
    return { draft, leaf, tail: { seq, hash } };
  });
}

const PLACE = `
  with place as (
    insert into countersign.record (writer, seq, id, leaf, hash)
    select $1, u.* from unnest($3::bigint[], $4::uuid[], $5::bytea[], $6::bytea[]) u)`;
const BODY = `
  insert into countersign.record_body (writer, epoch, id, at, kind, session, statement, request,
    person, agent, target, verdict, salt, body)
  select $1, $2, u.* from unnest($4::uuid[], $7::timestamptz[], $8::text[], $9::uuid[], $10::uuid[], $11::uuid[],
    $12::text[], $13::text[], $14::text[], $15::text[], $16::bytea[], $17::text[]) u`;
export const INSERT = `${PLACE}${BODY}`;
const KNOWN = `, known as (
    insert into countersign.record_shared (digest, text)
    select u.* from unnest($18::text[], $19::text[]) u on conflict do nothing)`;
/** Also with texts that records share and that this process has not stored yet. */
export const INSERT_SHARED = `${PLACE}${KNOWN}${BODY}`;
/** Also with a signature over an earlier record. */
export const INSERT_SIGNED = `${PLACE}${KNOWN}, signed as (
    insert into countersign.record_signature (writer, seq, key, signature)
    values ($1, $20::bigint, $21, $22::bytea) on conflict do nothing)${BODY}`;

/** Parameters of `INSERT` for one batch. */
export function insertValues(writer: string, epoch: number, batch: readonly Sealed[]): unknown[] {
  const column = <T>(pick: (draft: Draft) => T) => batch.map(({ draft }) => pick(draft));
  return [
    writer,
    epoch,
    bigintArray(batch.map(({ tail }) => tail.seq)),
    uuidArray(column((draft) => draft.id)),
    byteaArray(batch.map(({ leaf }) => leaf)),
    byteaArray(batch.map(({ tail }) => tail.hash)),
    timestampArray(column((draft) => draft.time)),
    textArray(column(({ entry }) => entry.kind)),
    uuidArray(column(({ entry }) => entry.session ?? null)),
    uuidArray(column(({ entry }) => entry.statement ?? null)),
    uuidArray(column(({ entry }) => entry.request ?? null)),
    textArray(column(({ entry }) => entry.person ?? null)),
    textArray(column(({ entry }) => entry.agent ?? null)),
    textArray(column(({ entry }) => entry.target ?? null)),
    textArray(column(({ entry }) => entry.verdict ?? null)),
    byteaArray(column((draft) => draft.salt)),
    textArray(column((draft) => draft.body)),
  ];
}
