import { mentions, type Mention } from './ast.ts';
import { checkWho, onCallInHead } from './check-who.ts';
import type { Complaint } from './annotations.ts';
import { nearest } from './nearest.ts';
import type { Owners } from './owners.ts';
import type { Rule } from './rule.ts';
import { ON_CALL } from './who.ts';

/** The names that exist outside the rules. What is left out is not checked. */
export type KnownNames = {
  readonly groups: Iterable<string>;
  readonly channels: Iterable<string>;
  /** Rotas: `oncall:<name>` is who is on call by one. */
  readonly onCall?: Iterable<string>;
  /** Who owns what; without it `owner` is a group like others. */
  readonly owners?: Owners | undefined;
  readonly targets?: Iterable<string>;
  /** Whether a provider is there that people can sign in to anew for one request. */
  readonly stepUp?: boolean;
  readonly environments?: Iterable<string>;
} & Partial<Catalogued>;

/** Entity ids of what the targets have whose catalogue was read: `shop/public/customers/ssn`. */
export type Catalogued = {
  readonly schemas: Iterable<string>;
  /** Also views and what else has columns. */
  readonly tables: Iterable<string>;
  /** Those of tables that an owner made; PostgreSQL's own are not listed. */
  readonly columns: Iterable<string>;
  readonly functions: Iterable<string>;
};

/** `KnownNames` as look-up sets, with what follows from the columns. */
export type Names = {
  readonly groups: ReadonlySet<string>;
  readonly channels: ReadonlySet<string>;
  readonly targets: ReadonlySet<string> | undefined;
  readonly environments: ReadonlySet<string> | undefined;
  readonly stepUp: boolean | undefined;
  readonly owners: Owners | undefined;
  readonly columns: ReadonlySet<string>;
  readonly tables: ReadonlySet<string>;
  readonly schemas: ReadonlySet<string>;
  readonly functions: ReadonlySet<string>;
  /** Targets whose catalogue was read. */
  readonly read: ReadonlySet<string>;
  /** Tables whose columns were read. */
  readonly open: ReadonlySet<string>;
};

export function indexNames(known: KnownNames): Names {
  const columns = new Set(known.columns);
  const functions = new Set(known.functions);
  const open = above(columns);
  const tables = new Set([...open, ...(known.tables ?? [])]);
  const schemas = new Set([...above(tables), ...(known.schemas ?? [])]);
  return {
    groups: new Set([...known.groups, ...Array.from(known.onCall ?? [], (name) => ON_CALL + name)]),
    owners: known.owners,
    channels: new Set(known.channels),
    targets: known.targets && new Set(known.targets),
    environments: known.environments && new Set(known.environments),
    stepUp: known.stepUp,
    columns,
    tables,
    schemas,
    functions,
    read: above(schemas),
    open,
  };
}

/** What these are in. */
const above = (ids: Iterable<string>): Set<string> =>
  new Set(Array.from(ids, (id) => id.slice(0, id.lastIndexOf('/'))));

/** Names in a rule that do not exist. `harmless`: the misspelling can only make the rule stricter. */
export function checkNames(
  rule: Rule,
  names: Names,
): readonly (Complaint & { readonly harmless: boolean })[] {
  const found: (Complaint & { harmless: boolean })[] = [];
  for (const complaint of checkTerms(rule, names)) found.push({ ...complaint, harmless: false });
  if (asksFresh(rule) && names.stepUp === false) found.push(nowhereFresh);
  for (const mention of mentions(rule.json)) {
    const complaint = checkPattern(mention) ?? checkMention(mention, names);
    if (complaint) found.push({ ...complaint, harmless: isHarmless(rule, mention) });
  }
  return found;
}

/** Groups and channels that its annotations name. */
function checkTerms({ terms: { hold, grant } }: Rule, names: Names): readonly Complaint[] {
  const who = checkWho(hold, names);
  const groups = [...who.groups, grant?.review, ...(hold?.handOver ?? [])].filter(
    (name) => name !== undefined,
  );
  const channels = new Set([...who.channels, grant?.channel].filter((name) => name !== undefined));
  return [
    ...who.complaints,
    ...groups.flatMap((name) =>
      names.groups.has(name) ? [] : [unknown('group', name, names.groups)],
    ),
    ...[...channels].flatMap((name) =>
      names.channels.has(name) ? [] : [unknown('channel', name, names.channels)],
    ),
  ];
}

const asksFresh = ({ terms }: Rule): boolean =>
  terms.fresh !== undefined || terms.hold?.stepUpMs !== undefined;

const nowhereFresh = {
  message:
    '@stepup asks for a fresh sign-in, and there is no provider that tells when one was made',
  hint: 'name an OpenID provider with auth_time under identity.providers, or remove @stepup',
  harmless: false,
};

/** Nobody is in an unknown group: a permit for it grants nothing, an exemption from a forbid exempts nobody. */
function isHarmless(rule: Rule, mention: Mention): boolean {
  const narrows = rule.effect === 'permit' ? 'when' : 'unless';
  return mention.type === 'Group' && mention.place === narrows && !mention.negated;
}

/** One line for each name that the rules use and that the targets whose catalogue was read do not have. */
export function missingNames(rules: Iterable<Rule>, there: Catalogued): readonly string[] {
  const names = indexNames({ groups: [], channels: [], ...there });
  const found = new Set<string>();
  for (const rule of rules)
    for (const { type, id } of mentions(rule.json)) {
      const complaint = isObject(type) ? checkObject(type, id, names) : undefined;
      if (complaint) found.add(`rule ${rule.id}: ${complaint.message} (${complaint.hint})`);
    }
  return [...found];
}

const placeTypes = new Set(['Target', 'Schema', 'Table', 'Function', 'Column']);

function checkPattern({ type, id }: Mention): Complaint | undefined {
  if (!placeTypes.has(type) || !id.split('/').includes('*')) return undefined;
  return {
    message: `${type}::"${id}" is no pattern: a name is meant as it is written`,
    hint: 'write resource in Table::"…", in Schema::"…" or in Target::"…"',
  };
}

function checkMention({ type, id }: Mention, names: Names): Complaint | undefined {
  switch (type) {
    case 'Group':
      return checkGroup(id, names);
    case 'Role':
      return checkRole(id, names);
    case 'Target':
      return checkTarget(id, names);
    case 'Environment':
      return checkEnvironment(id, names);
    case 'Schema':
    case 'Table':
    case 'Function':
    case 'Column':
      return checkTarget(id.split('/', 1)[0] ?? id, names) ?? checkObject(type, id, names);
    default:
      return undefined;
  }
}

function checkGroup(id: string, { groups }: Names): Complaint | undefined {
  if (id.startsWith(ON_CALL)) return onCallInHead(id);
  return groups.has(id) ? undefined : unknown('group', id, groups);
}

function checkTarget(id: string, names: Names): Complaint | undefined {
  return names.targets && !names.targets.has(id) ? unknown('target', id, names.targets) : undefined;
}

function checkRole(id: string, names: Names): Complaint | undefined {
  const [target = '', role = '', ...more] = id.split('/');
  if (role !== '' && more.length === 0) return checkTarget(target, names);
  return {
    message: `Role::"${id}" is not the name of a role`,
    hint: 'write Role::"<target>/<role>", as in Role::"shop/writer"',
  };
}

function checkEnvironment(id: string, { environments }: Names): Complaint | undefined {
  return environments && !environments.has(id)
    ? unknown('environment', id, environments)
    : undefined;
}

const objects = {
  Schema: { word: 'schema', depth: 2, of: (names: Names) => names.schemas },
  Table: { word: 'table', depth: 3, of: (names: Names) => names.tables },
  Function: { word: 'function', depth: 3, of: (names: Names) => names.functions },
  Column: { word: 'column', depth: 4, of: (names: Names) => names.columns },
} as const;

const isObject = (type: string): type is keyof typeof objects => type in objects;

function checkObject(type: keyof typeof objects, id: string, names: Names): Complaint | undefined {
  const { word, depth, of } = objects[type];
  const parts = id.split('/');
  if (parts.length !== depth)
    return {
      message: `${type}::"${id}" has ${parts.length} names, and a ${word} has ${depth}`,
      hint: `write ${type}::"${example[type]}"`,
    };
  const existing = of(names);
  if (!names.read.has(parts[0] ?? '') || existing.has(id)) return undefined;
  if (type === 'Function' && names.functions.size === 0) return undefined;
  const table = parts.slice(0, 3).join('/');
  if (type === 'Column' && names.tables.has(table)) {
    // The columns of PostgreSQL's own tables are not listed.
    if (!names.open.has(table)) return undefined;
    return unknown(word, id, within(table, existing));
  }
  return unknown(word, id, within(parts.slice(0, -1).join('/'), existing));
}

const example = {
  Schema: 'shop/public',
  Table: 'shop/public/orders',
  Function: 'shop/public/refund',
  Column: 'shop/public/orders/total',
} as const;

/** Those in the same table or schema, where there are some: of a whole database nobody wants a list. */
function within(parent: string, existing: ReadonlySet<string>): ReadonlySet<string> {
  const inside = new Set([...existing].filter((id) => id.startsWith(`${parent}/`)));
  return inside.size > 0 ? inside : existing;
}

function unknown(word: string, name: string, existing: ReadonlySet<string>): Complaint {
  const near = nearest(name, existing);
  const some = [...existing].toSorted().slice(0, 8).join(', ');
  const hint = near ? `did you mean "${near}"?` : `there ${some ? `is: ${some}` : 'is none'}`;
  return { message: `there is no ${word} "${name}"`, hint };
}
