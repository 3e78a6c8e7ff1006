/**
 * Canonical JSON (RFC 8785, JCS). Throws a TypeError for what JSON cannot hold: undefined, non-finite numbers,
 * bigint, functions, lone surrogates, and objects that are not plain (a Date would silently become a string).
 */
export function canonical(value: unknown): string {
  switch (typeof value) {
    case 'string':
      if (!value.isWellFormed()) throw new TypeError('not JSON: a lone surrogate');
      return JSON.stringify(value);
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError(`not JSON: ${value}`);
      return JSON.stringify(value);
    case 'boolean':
      return String(value);
    case 'object':
      // The engine's own writer is many times faster, and most objects are already as it must be.
      return isOrdered(value) ? JSON.stringify(value) : composite(value);
    case 'bigint':
    case 'function':
    case 'symbol':
    case 'undefined':
      throw new TypeError(`not JSON: ${typeof value}`);
  }
}

/** True when JSON.stringify writes it as it must be: plain values only, keys in order. */
function isOrdered(value: unknown): boolean {
  switch (typeof value) {
    case 'string':
      return value.isWellFormed();
    case 'number':
      return Number.isFinite(value);
    case 'boolean':
      return true;
    case 'object':
      if (value === null) return true;
      return Array.isArray(value) ? listIsOrdered(value) : objectIsOrdered(value);
    case 'bigint':
    case 'function':
    case 'symbol':
    case 'undefined':
      return false;
  }
}

function listIsOrdered(list: readonly unknown[]): boolean {
  // An index loop, because every() would skip holes.
  for (let i = 0; i < list.length; i++) if (!isOrdered(list[i])) return false;
  return true;
}

function objectIsOrdered(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  let last = '';
  for (const key in value) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- one of its own keys
    const member: unknown = value[key as keyof typeof value];
    if (key < last || !key.isWellFormed() || !isOrdered(member)) return false;
    last = key;
  }
  return true;
}

function composite(value: object | null): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) {
    // An index loop, because map() would skip holes.
    let text = '';
    for (let i = 0; i < value.length; i++) text += (i ? ',' : '') + canonical(value[i]);
    return `[${text}]`;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null)
    throw new TypeError('not JSON: an object that is not plain');
  let text = '';
  for (const [key, member] of sorted(Object.entries(value)))
    text += `${text ? ',' : ''}${canonical(key)}:${canonical(member)}`;
  return `{${text}}`;
}

type Member = readonly [string, unknown];

/** By UTF-16 code units, as RFC 8785 wants; most objects are already so. */
function sorted(members: readonly Member[]): readonly Member[] {
  let last = '';
  for (const [key] of members) {
    if (key < last) return members.toSorted(byKey);
    last = key;
  }
  return members;
}

function byKey(a: Member, b: Member): number {
  return a[0] < b[0] ? -1 : 1;
}
