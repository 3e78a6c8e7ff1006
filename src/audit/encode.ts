/**
 * One-dimensional arrays in PostgreSQL's binary format, which node-postgres sends for every Buffer. As text, each byte
 * would be escaped here and parsed there. See array_recv, and the `recv` function of each element type.
 */
export function textArray(values: readonly (string | null)[]): Buffer {
  return array(
    25,
    values,
    (value) => Buffer.byteLength(value),
    (out, at, value) => out.write(value, at),
  );
}

export function byteaArray(values: readonly Buffer[]): Buffer {
  return array(
    17,
    values,
    (value) => value.length,
    (out, at, value) => value.copy(out, at),
  );
}

/** Lower case, as `randomUUID` gives them. */
export function uuidArray(values: readonly (string | null)[]): Buffer {
  return array(
    2950,
    values,
    () => 16,
    (out, at, value) => out.write(value.replaceAll('-', ''), at, 'hex'),
  );
}

export function bigintArray(values: readonly number[]): Buffer {
  return array(20, values, () => 8, writeBigint);
}

/** ISO 8601; the server counts in microseconds from the year 2000. */
export function timestampArray(values: readonly string[]): Buffer {
  return array(
    1184,
    values,
    () => 8,
    (out, at, value) => writeBigint(out, at, (Date.parse(value) - YEAR_2000) * 1000),
  );
}

const YEAR_2000 = Date.UTC(2000);

function writeBigint(out: Buffer, at: number, value: number): void {
  out.writeBigInt64BE(BigInt(value), at);
}

const HEADER = 20;

function array<T>(
  elementType: number,
  values: readonly (T | null)[],
  sizeOf: (value: T) => number,
  write: (out: Buffer, at: number, value: T) => void,
): Buffer {
  const sizes = values.map((value) => (value === null ? -1 : sizeOf(value)));
  let length = HEADER;
  for (const size of sizes) length += 4 + Math.max(0, size);
  const out = Buffer.allocUnsafe(length);
  const hasNull = sizes.includes(-1) ? 1 : 0;
  let at = 0;
  // Dimensions, nulls, type, and for the one dimension its length and where it begins.
  for (const word of [1, hasNull, elementType, values.length, 1]) at = out.writeInt32BE(word, at);
  for (const [i, value] of values.entries()) {
    at = out.writeInt32BE(sizes[i] ?? -1, at);
    if (value === null) continue;
    write(out, at, value);
    at += sizes[i] ?? 0;
  }
  return out;
}
