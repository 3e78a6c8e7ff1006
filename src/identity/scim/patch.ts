import { bad } from './error.ts';
import type { Filter } from './filter.ts';
import { matches } from './matches.ts';
import { parsePath, type PatchPath } from './path.ts';
import { distinct, isMap, readValue, type JsonMap } from './read.ts';
import {
  attributeOf,
  type Attribute,
  type Attributes,
  type Complex,
  type Schema,
  type Value,
} from './schema.ts';

type Op = 'add' | 'remove' | 'replace';
type List = readonly Complex[];

const MOST = 1_000;

/**
 * The resource after a PATCH (RFC 7644 section 3.5.2), or an error and nothing changed. Takes what Okta and Entra ID send
 * beside the RFC: `Replace` for `replace`, "False" for false, an object of paths without a path, `remove` with a value,
 * one value without its list, and `replace` of a value that is not there yet.
 */
export function applyPatch(schema: Schema, resource: Attributes, body: unknown): Attributes {
  return operationsOf(body).reduce<Attributes>(
    (before, operation) => applyOne(schema, before, operation),
    resource,
  );
}

function operationsOf(body: unknown): readonly JsonMap[] {
  const list = isMap(body) ? (body['Operations'] ?? body['operations']) : undefined;
  if (!Array.isArray(list) || list.length === 0)
    throw bad('invalidSyntax', 'Operations must be a list with at least one.');
  if (list.length > MOST) throw bad('invalidSyntax', `There are more than ${MOST} operations.`);
  return list.map((each: unknown) => {
    if (!isMap(each)) throw bad('invalidSyntax', 'An operation must be an object.');
    return each;
  });
}

function applyOne(schema: Schema, resource: Attributes, operation: JsonMap): Attributes {
  const { path, value } = operation;
  const op = opOf(operation['op']);
  if (typeof path === 'string' && path.trim() !== '')
    return change(schema, resource, op, path, value);
  if (path !== undefined && path !== null && path !== '')
    throw bad('invalidPath', 'A path must be a text.');
  if (op === 'remove') throw bad('noTarget', 'remove needs a path.');
  if (!isMap(value)) throw bad('invalidValue', 'Without a path the value must be an object.');
  return Object.entries(value).reduce<Attributes>((before, [key, each]) => {
    // Okta repeats the id.
    if (attributeOf(schema.attributes, key)?.readOnly || key === 'schemas') return before;
    return change(schema, before, op, key, each);
  }, resource);
}

function opOf(written: unknown): Op {
  const op = typeof written === 'string' ? written.toLowerCase() : '';
  if (op === 'add' || op === 'remove' || op === 'replace') return op;
  throw bad('invalidSyntax', 'op must be add, remove or replace.');
}

function change(
  schema: Schema,
  resource: Attributes,
  op: Op,
  written: string,
  raw: unknown,
): Attributes {
  const path = parsePath(schema, written);
  if (!path) return resource;
  const { attribute } = path;
  if (attribute.readOnly) throw bad('mutability', `${attribute.name} cannot be changed.`);
  const before = resource[attribute.name];
  const after = attribute.multiValued
    ? changeList(path, Array.isArray(before) ? before : [], op, raw)
    : changeOne(path, before, op, raw);
  if (after === undefined && attribute.required)
    throw bad('invalidValue', `${attribute.name} cannot be taken away.`);
  const rest = Object.entries(resource).filter(([name]) => name !== attribute.name);
  return Object.fromEntries([
    ...rest,
    ...(after === undefined ? [] : [[attribute.name, after] as const]),
  ]);
}

function changeOne(
  { attribute, sub }: PatchPath,
  before: Value | undefined,
  op: Op,
  raw: unknown,
): Value | undefined {
  if (op === 'remove' && !sub) return undefined;
  if (attribute.type !== 'complex') return readValue(attribute, raw);
  const parts = isComplex(before) ? before : {};
  const after = sub ? withPart(parts, sub, op, raw) : merged(attribute, parts, raw);
  return Object.keys(after).length > 0 ? after : undefined;
}

const isComplex = (value: Value | undefined): value is Complex =>
  typeof value === 'object' && !Array.isArray(value);

function withPart(parts: Complex, sub: Attribute, op: Op, raw: unknown): Complex {
  const value = op === 'remove' ? undefined : readValue(sub, raw);
  const rest = Object.entries(parts).filter(([name]) => name !== sub.name);
  if (typeof value !== 'string' && typeof value !== 'boolean') return Object.fromEntries(rest);
  return Object.fromEntries([...rest, [sub.name, value]]);
}

/** What is not named stays (RFC 7644 section 3.5.2.3). */
function merged(attribute: Attribute, parts: Complex, raw: unknown): Complex {
  const given = readValue({ ...attribute, multiValued: false }, raw);
  return { ...parts, ...(isComplex(given) && given) };
}

function changeList(
  path: PatchPath,
  before: List,
  op: Op,
  raw: unknown,
): readonly Complex[] | undefined {
  const after =
    path.filter || path.sub ? changeSome(path, before, op, raw) : changeAll(path, before, op, raw);
  // A value that has lost its value is none; a second primary one takes the place of the first.
  const kept = distinct(after.filter(({ value }) => value !== undefined));
  const primary = kept.findLast((each) => each['primary'] === true && !before.includes(each));
  const one = primary
    ? kept.map((each) =>
        each !== primary && each['primary'] === true ? { ...each, primary: false } : each,
      )
    : kept;
  return one.length > 0 ? one : undefined;
}

function changeAll({ attribute }: PatchPath, before: List, op: Op, raw: unknown): List {
  const read = readValue(attribute, raw);
  const given = Array.isArray(read) ? read : [];
  if (op === 'replace') return given;
  if (op === 'add') return [...before, ...given];
  // Entra ID names the members to remove; an empty list names none.
  if (raw === undefined || raw === null) return [];
  const gone = new Set(given.map(({ value }: Complex) => value));
  return before.filter(({ value }) => !gone.has(value));
}

function changeSome(path: PatchPath, before: List, op: Op, raw: unknown): List {
  const { attribute, filter, sub } = path;
  const chosen = (each: Complex): boolean => !filter || matches(filter, each);
  if (op === 'remove' && !sub) return before.filter((each) => !chosen(each));
  const changed = (parts: Complex): Complex =>
    sub ? withPart(parts, sub, op, raw) : merged(attribute, parts, raw);
  if (before.some(chosen) || op === 'remove')
    return before.map((each) => (chosen(each) ? changed(each) : each));
  // Entra ID sets emails[type eq "work"].value where there is none yet.
  return [...before, changed(filter ? described(filter) : {})];
}

/** The value for which a filter of `eq` and `and` holds. */
function described(filter: Filter): Complex {
  if (filter.kind === 'and') return { ...described(filter.left), ...described(filter.right) };
  if (filter.kind !== 'compare' || filter.operator !== 'eq' || filter.value === null)
    throw bad('noTarget', 'There is no value for which the filter of the path holds.');
  return { [filter.place.attribute.name]: filter.value };
}
