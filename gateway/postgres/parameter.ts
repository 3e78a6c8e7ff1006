const BOOL = 16;
const INT8 = 20;
const INT2 = 21;
const INT4 = 23;
const FLOAT4 = 700;
const FLOAT8 = 701;
const UUID = 2950;
const TEXTUAL: ReadonlySet<number> = new Set([18, 19, 25, 114, 142, 1042, 1043]);

/** A parameter as people read it: null is SQL NULL, undefined is a binary value that cannot be shown. */
export function textOf(
  value: Buffer | null,
  format: number,
  typeOid: number,
): string | null | undefined {
  if (value === null) return null;
  if (format === 0 || TEXTUAL.has(typeOid)) return value.toString('utf8');
  if (typeOid === BOOL && value.length === 1) return value[0] === 0 ? 'false' : 'true';
  if (typeOid === INT2 && value.length === 2) return String(value.readInt16BE());
  if (typeOid === INT4 && value.length === 4) return String(value.readInt32BE());
  if (typeOid === INT8 && value.length === 8) return String(value.readBigInt64BE());
  if (typeOid === FLOAT4 && value.length === 4) return String(value.readFloatBE());
  if (typeOid === FLOAT8 && value.length === 8) return String(value.readDoubleBE());
  if (typeOid === UUID && value.length === 16)
    return value.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  return undefined;
}
