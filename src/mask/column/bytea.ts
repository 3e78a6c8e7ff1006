import { isUtf8 } from 'node:buffer';
import type { Mask } from '../../policy/verdict.ts';
import { maskDetectedBytes } from '../detect.ts';
import { kindsOf } from './found.ts';
import { hmacOf } from './key.ts';
import type { CellMask } from './cell.ts';

const TOKEN_BYTES = 18;

/** Hash: 18 bytes of the HMAC; detect: as text where the bytes are UTF-8, else NULL where something is found. */
export function byteaMask(mask: Mask, format: 0 | 1, key: Buffer): CellMask | undefined {
  const change = changeOf(mask, key);
  if (!change) return undefined;
  return (cell, start, end, out) => {
    const own = cell.subarray(start, end);
    const bytes = format === 1 ? own : decoded(own);
    const changed = change(bytes);
    if (!changed) return false;
    if (changed === bytes) out.append(own);
    else if (format === 1) out.append(changed);
    else out.text(`\\x${changed.toString('hex')}`);
    return true;
  };
}

/** Undefined makes NULL; the same bytes leave the cell as it is. */
function changeOf(mask: Mask, key: Buffer): ((bytes: Buffer) => Buffer | undefined) | undefined {
  if (mask.kind === 'hash') {
    const hmac = hmacOf(mask, key);
    return (bytes) => hmac.of(bytes).subarray(0, TOKEN_BYTES);
  }
  if (mask.kind !== 'detect') return undefined;
  const kinds = kindsOf(mask);
  return (bytes) => {
    const found = maskDetectedBytes(bytes, kinds);
    if (!found) return bytes;
    return isUtf8(bytes) ? found : undefined;
  };
}

/** What bytea_output made of the bytes: hex, or octal escapes. */
function decoded(cell: Buffer): Buffer {
  const text = cell.toString('latin1');
  if (text.startsWith('\\x')) return Buffer.from(text.slice(2), 'hex');
  const bytes = text.replace(/\\(\\|[0-3][0-7]{2})/g, (_, one: string) =>
    one === '\\' ? one : String.fromCharCode(Number.parseInt(one, 8)),
  );
  return Buffer.from(bytes, 'latin1');
}
