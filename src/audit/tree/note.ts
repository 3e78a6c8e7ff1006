import { createPublicKey, hash, sign, verify, type KeyObject } from 'node:crypto';

/** C2SP signed-note: `text` ends with a newline; a signature names its key and holds what the key made of the text. */
export type Note = { readonly text: string; readonly signatures: readonly Signature[] };
export type Signature = { readonly name: string; readonly id: number; readonly bytes: Buffer };

/** Signature types that are spoken here: Ed25519, and Ed25519 cosignatures with a time (C2SP tlog-cosignature). */
export const ED25519 = 1;
export const COSIGNATURE = 4;
export type KeyType = typeof ED25519 | typeof COSIGNATURE;

/** A key that signatures are checked with. */
export type NoteKey = {
  readonly name: string;
  readonly type: KeyType;
  readonly id: number;
  /** 32 bytes. */
  readonly raw: Buffer;
  readonly key: KeyObject;
};

/** What is wrong with a note, a key or a proof, in words for whoever reads it. */
export class Malformed extends Error {
  override name = 'Malformed';
}

const DASH = '\u2014';
const MAX_NOTE = 1_000_000;
const MAX_SIGNATURES = 100;
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');

/** Throws Malformed for a name with spaces or a plus, or another key than Ed25519. */
export function noteKey(name: string, type: KeyType, key: KeyObject): NoteKey {
  if (name === '' || /[\s+]/u.test(name)) throw new Malformed(`"${name}" is not a name of a key`);
  if (key.asymmetricKeyType !== 'ed25519') throw new Malformed('the key is not an Ed25519 key');
  const open = key.type === 'private' ? createPublicKey(key) : key;
  const raw = open.export({ format: 'der', type: 'spki' }).subarray(-32);
  return { name, type, id: keyId(name, type, raw), raw, key: open };
}

function keyId(name: string, type: number, raw: Uint8Array): number {
  const input = Buffer.concat([Buffer.from(`${name}\n`), Buffer.from([type]), raw]);
  return Number.parseInt(hash('sha256', input, 'hex').slice(0, 8), 16);
}

/** `<name>+<id in hex>+<base64 of type and key>`: a verifier key (C2SP signed-note). */
export function formatVkey({ name, type, id, raw }: NoteKey): string {
  return `${name}+${hexId(id)}+${Buffer.concat([Buffer.from([type]), raw]).toString('base64')}`;
}

/** Throws Malformed. */
export function parseVkey(text: string): NoteKey {
  const [name = '', id = '', encoded = ''] = text.split(/\+(?=[0-9a-f]{8}\+)|(?<=\+[0-9a-f]{8})\+/);
  const bytes = decode64(encoded);
  const [type] = bytes ?? [];
  if (bytes?.length !== 33 || (type !== ED25519 && type !== COSIGNATURE))
    throw new Malformed(`"${text}" is not a verifier key (name+id+key)`);
  const key = noteKey(name, type, publicKeyOf(bytes.subarray(1)));
  if (hexId(key.id) !== id)
    throw new Malformed(`the id of the key of ${name} is not that of its key`);
  return key;
}

/** Of the 32 bytes of an Ed25519 key. */
export const publicKeyOf = (raw: Uint8Array): KeyObject =>
  createPublicKey({ key: Buffer.concat([SPKI, raw]), format: 'der', type: 'spki' });

export const hexId = (id: number): string => id.toString(16).padStart(8, '0');

/** Reads a note; checks no signature. Throws Malformed. */
export function parseNote(note: string): Note {
  if (note.length > MAX_NOTE) throw new Malformed('the note is too long');
  // oxlint-disable-next-line no-control-regex -- the control characters are what is refused
  if (!note.isWellFormed() || /[\x00-\x09\x0b-\x1f]/.test(note))
    throw new Malformed('the note holds control characters, or is not UTF-8');
  const split = note.lastIndexOf('\n\n');
  if (split < 0 || !note.endsWith('\n')) throw new Malformed('the note has no signatures');
  const lines = note.slice(split + 2, -1).split('\n');
  if (lines.length > MAX_SIGNATURES) throw new Malformed('the note has too many signatures');
  return { text: note.slice(0, split + 1), signatures: lines.map(parseSignature) };
}

function parseSignature(line: string): Signature {
  const [dash, name = '', encoded = '', ...more] = line.split(' ');
  const bytes = decode64(encoded);
  if (
    dash !== DASH ||
    name === '' ||
    /[\s+]/u.test(name) ||
    more.length > 0 ||
    !bytes ||
    bytes.length < 5
  )
    throw new Malformed('a line of the note is not a signature');
  return { name, id: bytes.readUInt32BE(0), bytes: bytes.subarray(4) };
}

/** `— name base64` with its newline. */
export function signatureLine({ name, id, bytes }: Signature): string {
  const front = Buffer.alloc(4);
  front.writeUInt32BE(id);
  return `${DASH} ${name} ${Buffer.concat([front, bytes]).toString('base64')}\n`;
}

export function formatNote({ text, signatures }: Note): string {
  return `${text}\n${signatures.map(signatureLine).join('')}`;
}

/** Signs with Ed25519; `key` is private. */
export function signText(text: string, name: string, key: KeyObject): Signature {
  const { id } = noteKey(name, ED25519, key);
  return { name, id, bytes: sign(undefined, Buffer.from(text), key) };
}

/** A cosignature: that at `seconds` (POSIX) this was the largest consistent tree its maker had seen. */
export function cosignText(text: string, name: string, key: KeyObject, seconds: number): Signature {
  const { id } = noteKey(name, COSIGNATURE, key);
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(BigInt(seconds));
  const bytes = sign(undefined, Buffer.from(cosigned(text, seconds)), key);
  return { name, id, bytes: Buffer.concat([time, bytes]) };
}

const cosigned = (text: string, seconds: bigint | number): string =>
  `cosignature/v1\ntime ${seconds}\n${text}`;

/** Whether a key made a signature of this note: its time in POSIX seconds for a cosignature, `true` for a plain one. */
export function signedBy(note: Note, key: NoteKey): bigint | boolean {
  for (const { name, id, bytes } of note.signatures) {
    if (name !== key.name || id !== key.id) continue;
    // Of a key that is known a bad signature is never passed over.
    return key.type === COSIGNATURE
      ? cosignedBy(note.text, bytes, key)
      : verify(undefined, Buffer.from(note.text), key.key, bytes);
  }
  return false;
}

function cosignedBy(text: string, bytes: Buffer, { key }: NoteKey): bigint | boolean {
  if (bytes.length !== 72) return false;
  const seconds = bytes.readBigUInt64BE(0);
  if (seconds >> 63n) return false;
  const good = verify(undefined, Buffer.from(cosigned(text, seconds)), key, bytes.subarray(8));
  return good && seconds;
}

/** Strict standard base64; undefined for anything else. */
export function decode64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}
