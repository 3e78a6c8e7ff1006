/** The few forms of DER (ITU-T X.690) that a certificate is written in. */
export type Der = Buffer;

function tagged(tag: number, ...parts: readonly Der[]): Der {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.of(tag), lengthOf(content.length), content]);
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.of(length);
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return Buffer.of(0x80 | bytes.length, ...bytes);
}

export const sequence = (...parts: readonly Der[]): Der => tagged(0x30, ...parts);
export const set = (...parts: readonly Der[]): Der => tagged(0x31, ...parts);
export const boolean = (value: boolean): Der => tagged(0x01, Buffer.of(value ? 0xff : 0));
export const octets = (content: Buffer): Der => tagged(0x04, content);
export const utf8 = (text: string): Der => tagged(0x0c, Buffer.from(text));
/** `[n]`, explicit for structures, implicit (`constructed: false`) for bytes. */
export const context = (n: number, content: Buffer, constructed = true): Der =>
  tagged((constructed ? 0xa0 : 0x80) | n, content);

/** A whole number of zero or more, big-endian. */
export function integer(bytes: Buffer): Der {
  let from = 0;
  while (from < bytes.length - 1 && bytes[from] === 0) from += 1;
  const value = bytes.subarray(from);
  const positive = (value[0] ?? 0) < 0x80 ? [] : [Buffer.of(0)];
  return tagged(0x02, ...positive, value);
}

/** `unused` bits of the last byte do not count. */
export const bits = (content: Buffer, unused = 0): Der => tagged(0x03, Buffer.of(unused), content);

/** `1.2.840.10045.4.3.2` */
export function oid(dotted: string): Der {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second, ...rest].flatMap((arc) => {
    const groups = [arc % 128];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
      groups.unshift((left % 128) | 0x80);
    return groups;
  });
  return tagged(0x06, Buffer.from(bytes));
}

/** UTCTime until 2049, GeneralizedTime from then on (RFC 5280 section 4.1.2.5); seconds. */
export function time(at: Date): Der {
  const text = at.toISOString().replaceAll(/[-:T]|\.\d+/gu, '');
  return at.getUTCFullYear() < 2050
    ? tagged(0x17, Buffer.from(text.slice(2)))
    : tagged(0x18, Buffer.from(text));
}
