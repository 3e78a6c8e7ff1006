import type { Mask } from '../../policy/verdict.ts';
import type { Hmac } from '../hmac.ts';
import { Slab } from '../slab.ts';
import { maskDetectedBytes } from '../detect.ts';
import { fromBinary, toBinary } from './binary.ts';
import { byteaMask } from './bytea.ts';
import type { CellMask } from './cell.ts';
import { lastDigits } from './digits.ts';
import { fixedFor, isJson } from './fixed.ts';
import { type Detect, foundReplaced, kindsOf, unlessFound } from './found.ts';
import { type Leaves, maskJson } from './json.ts';
import { hmacOf } from './key.ts';
import { remembered } from './memo.ts';
import { hashedFloat, hashedNumber, lastNumber } from './number.ts';
import { emailText, fixedText, lastText, tokenText } from './text.ts';
import { hashedDate, hashedTimestamp } from './time.ts';
import type { Form } from './types.ts';
import { hashedUuid, lastOfUuid } from './uuid.ts';

type Hiding = Exclude<Mask, { kind: 'null' }>;
type Partial = Exclude<Hiding, { kind: 'fixed' }>;
/** A change of the value as it is printed; undefined makes NULL. */
type Change = (text: string) => string | undefined;

/** The mask for one value of a type; undefined makes every value NULL. */
export function scalarMask(
  mask: Hiding,
  { form, modifier }: { readonly form: Form; readonly modifier: number },
  format: 0 | 1,
  key: Buffer,
): CellMask | undefined {
  if (mask.kind === 'fixed') return fixedMask(mask.text, form, modifier, format);
  if (form === 'text' || form === 'bpchar') return textMask(mask, form, key);
  if (form === 'bytea') return byteaMask(mask, format, key);
  if (form === 'json' || form === 'jsonb') return throughText(ofJson(mask, key), form, format);
  return otherMask(mask, form, format, key);
}

function fixedMask(
  fixed: string,
  form: Form,
  modifier: number,
  format: 0 | 1,
): CellMask | undefined {
  const text = fixedFor(form, fixed, modifier);
  if (text === undefined) return undefined;
  const bytes = format === 0 ? Buffer.from(text) : toBinary(form, text);
  return bytes && fixedText(bytes);
}

/** In both formats the same. */
function textMask(mask: Partial, form: Form, key: Buffer): CellMask {
  switch (mask.kind) {
    case 'hash':
      return tokenText(hmacOf(mask, key), form === 'bpchar');
    case 'last':
      return lastText(mask.keep);
    case 'email':
      return emailText;
    case 'detect':
      return foundReplaced(mask);
    default:
      return mask satisfies never;
  }
}

function otherMask(mask: Partial, form: Form, format: 0 | 1, key: Buffer): CellMask | undefined {
  if (mask.kind === 'detect') return unlessFound(mask, form, format);
  if (mask.kind === 'email') return undefined;
  const digits = isExact(form);
  if (mask.kind === 'last' && digits && format === 0) return lastDigits(mask.keep);
  if (mask.kind === 'last') return through(lastOf(form, mask.keep), form, format);
  const made = through(hashed[form]?.(hmacOf(mask, key)), form, format);
  return made && remembered(made);
}

const through = (change: Change | undefined, form: Form, format: 0 | 1): CellMask | undefined =>
  change && throughText(change, form, format);

const isExact = (form: Form): boolean => form.startsWith('int') || form === 'numeric';

function lastOf(form: Form, keep: number): Change | undefined {
  if (form === 'uuid') return (text) => lastOfUuid(text, keep);
  return isExact(form) ? (text) => lastNumber(text, keep) : undefined;
}

const hashedExact =
  (hmac: Hmac): Change =>
  (text) =>
    hashedNumber(text, hmac);

const hashed: { readonly [form in Form]?: (hmac: Hmac) => Change } = {
  int2: hashedExact,
  int4: hashedExact,
  int8: hashedExact,
  numeric: hashedExact,
  float4: (hmac) => (text) => hashedFloat(text, true, hmac),
  float8: (hmac) => (text) => hashedFloat(text, false, hmac),
  uuid: (hmac) => (text) => hashedUuid(text, hmac),
  date: (hmac) => (text) => hashedDate(text, hmac),
  timestamp: (hmac) => (text) => hashedTimestamp(text, false, hmac),
  timestamptz: (hmac) => (text) => hashedTimestamp(text, true, hmac),
};

function throughText(change: Change, form: Form, format: 0 | 1): CellMask {
  if (format === 0)
    return (cell, start, end, out) => {
      const changed = change(cell.toString('utf8', start, end));
      if (changed !== undefined) out.text(changed);
      return changed !== undefined;
    };
  return (cell, start, end, out) => {
    const text = fromBinary(form, cell.subarray(start, end));
    const changed = text === undefined ? undefined : change(text);
    const bytes = changed === undefined ? undefined : toBinary(form, changed);
    if (bytes) out.append(bytes);
    return bytes !== undefined;
  };
}

/** Keys stay as they are; detectors read the whole of it, because a key can say that what is below it is a secret. */
function ofJson(mask: Partial, key: Buffer): Change {
  if (mask.kind === 'detect') return detecting(mask);
  const leaves = hiding(mask, key);
  return (text) => maskJson(text, leaves);
}

function hiding(mask: Exclude<Partial, Detect>, key: Buffer): Leaves {
  const cellMask = textMask(mask, 'text', key);
  const scratch = new Slab();
  const number = numberLeaf(mask, key);
  return {
    string: (value) => {
      const cell = Buffer.from(value);
      scratch.begin();
      return cellMask(cell, 0, cell.length, scratch) ? scratch.item().toString() : undefined;
    },
    number,
    boolean: () => undefined,
  };
}

function numberLeaf(mask: Exclude<Partial, Detect>, key: Buffer): Change {
  if (mask.kind === 'hash') return hashedExact(hmacOf(mask, key));
  return (text) => (mask.kind === 'last' ? lastNumber(text, mask.keep) : undefined);
}

function detecting(mask: Detect): Change {
  const kinds = kindsOf(mask);
  return (text) => {
    const found = maskDetectedBytes(Buffer.from(text), kinds)?.toString();
    if (found === undefined) return text;
    return isJson(found) ? found : undefined;
  };
}
