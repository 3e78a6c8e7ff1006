const TEXTUAL: ReadonlySet<number> = new Set([18, 19, 25, 114, 142, 1042, 1043]);

/** Binary forms by type OID: the length a value must have, and how it is read. */
const BINARY: ReadonlyMap<number, readonly [number, (value: Buffer) => string]> = new Map([
  [16, [1, (value) => (value[0] === 0 ? 'false' : 'true')]],
  [20, [8, (value) => String(value.readBigInt64BE())]],
  [21, [2, (value) => String(value.readInt16BE())]],
  [23, [4, (value) => String(value.readInt32BE())]],
  [700, [4, (value) => String(value.readFloatBE())]],
  [701, [8, (value) => String(value.readDoubleBE())]],
  [2950, [16, uuid]],
]);

/** A parameter as people read it: null is SQL NULL, undefined is a binary value that cannot be shown. */
export function textOf(
  value: Buffer | null,
  format: number,
  typeOid: number,
): string | null | undefined {
  if (value === null) return null;
  if (format === 0 || TEXTUAL.has(typeOid)) return value.toString('utf8');
  const [length, read] = BINARY.get(typeOid) ?? [];
  return length === value.length ? read?.(value) : undefined;
}

function uuid(value: Buffer): string {
  return value.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
