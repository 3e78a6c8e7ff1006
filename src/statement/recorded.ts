import { escapeKinds, resourceId, type Effect, type Output, type Resource } from './effect.ts';

/**
 * Effects as a record keeps them, to be judged again under other rules: names and no value. Words are left out, since
 * they may quote constants, and so are the names of results, which a statement makes up.
 */
export function writeEffects(effects: readonly Effect[]): string {
  return JSON.stringify(effects, (key, value: unknown) => {
    if (LEFT_OUT.has(key)) return undefined;
    return isResource(value) ? `${value.type} ${resourceId(value)}` : value;
  });
}

/** `name` and `origin` are an output's. */
const LEFT_OUT: ReadonlySet<string> = new Set(['words', 'estimatedRows', 'name', 'origin']);

const isResource = (value: unknown): value is Resource =>
  typeof value === 'object' &&
  value !== null &&
  'type' in value &&
  'path' in value &&
  Array.isArray(value.path);

const unescaped: Readonly<Record<string, string>> = { '%25': '%', '%2F': '/', '%22': '"' };
const TYPES = ['Target', 'Schema', 'Table', 'Function', 'Column'] as const;

/** Throws a TypeError for what `writeEffects` of this version or an earlier one did not write. */
export function readEffects(text: string): readonly Effect[] {
  return list(JSON.parse(text)).map((value) => {
    const effect = object(value);
    const { outputs, flows, computed, opaque, upsert, escapes } = effect;
    return {
      class: string(effect['class']),
      bounded: effect['bounded'] === true,
      words: '',
      accesses: list(effect['accesses']).map(readAccess),
      columns: list(effect['columns']).map(readUse),
      ...(outputs !== undefined && { outputs: list(outputs).map(readOutput) }),
      ...(flows !== undefined && { flows: list(flows).map(resource) }),
      ...(computed !== undefined && { computed: list(computed).map(resource) }),
      ...(opaque === true && { opaque }),
      ...(upsert === true && { upsert }),
      ...(escapes !== undefined && {
        escapes: escapeKinds.filter((kind) => list(escapes).includes(kind)),
      }),
    };
  });
}

const ACCESSES = ['connect', 'read', 'write', 'delete', 'define', 'administer', 'execute'] as const;
const USES = ['reveal', 'filter', 'join', 'assign'] as const;

function readAccess(value: unknown): Effect['accesses'][number] {
  const { action, resource: id } = object(value);
  return { action: one(ACCESSES, action), resource: resource(id) };
}

function readUse(value: unknown): Effect['columns'][number] {
  const { action, column } = object(value);
  return { action: one(USES, action), column: resource(column) };
}

function readOutput(value: unknown): Output {
  const { sources, verbatim } = object(value);
  return {
    name: '',
    sources: list(sources).map(resource),
    verbatim: verbatim === true,
    origin: [0, 0],
  };
}

function resource(value: unknown): Resource {
  const [, type, id] = /^(\w+) ([^]*)$/.exec(string(value)) ?? [];
  if (id === undefined) throw new TypeError(`not a resource: ${String(value)}`);
  const path = id
    .split('/')
    .map((name) => name.replaceAll(/%(?:25|2F|22)/g, (code) => unescaped[code] ?? code));
  return { type: one(TYPES, type), path };
}

function one<T extends string>(known: readonly T[], value: unknown): T {
  const found = known.find((name) => name === value);
  if (found === undefined) throw new TypeError(`not one of ${known.join(', ')}: ${String(value)}`);
  return found;
}

function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError('not a list');
  return value;
}

function object(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw new TypeError('not an object');
  return Object.fromEntries(Object.entries(value));
}

function string(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError('not a text');
  return value;
}
