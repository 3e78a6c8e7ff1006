import { mentions, type Mention } from './ast.ts';
import type { Complaint } from './annotations.ts';
import { nearest } from './nearest.ts';
import type { Rule } from './rule.ts';

/** The names that exist outside the rules. What is left out is not checked. */
export type KnownNames = {
  readonly groups: Iterable<string>;
  readonly channels: Iterable<string>;
  readonly targets?: Iterable<string>;
  /** Whether a provider is there that people can sign in to anew for one request. */
  readonly stepUp?: boolean;
  /** Entity ids of every column of the targets whose catalogue was read: `shop/public/customers/ssn`. */
  readonly columns?: Iterable<string>;
};

/** `KnownNames` as look-up sets, with what follows from the columns. */
export type Names = {
  readonly groups: ReadonlySet<string>;
  readonly channels: ReadonlySet<string>;
  readonly targets: ReadonlySet<string> | undefined;
  readonly stepUp: boolean | undefined;
  readonly columns: ReadonlySet<string>;
  readonly tables: ReadonlySet<string>;
  readonly schemas: ReadonlySet<string>;
  /** Targets whose catalogue was read. */
  readonly read: ReadonlySet<string>;
};

export function indexNames(known: KnownNames): Names {
  const columns = new Set(known.columns);
  const upTo = (depth: number): Set<string> =>
    new Set([...columns].map((id) => id.split('/').slice(0, depth).join('/')));
  return {
    groups: new Set(known.groups),
    channels: new Set(known.channels),
    targets: known.targets && new Set(known.targets),
    stepUp: known.stepUp,
    columns,
    tables: upTo(3),
    schemas: upTo(2),
    read: upTo(1),
  };
}

/** Names in a rule that do not exist. `harmless`: the misspelling can only make the rule stricter. */
export function checkNames(
  rule: Rule,
  names: Names,
): readonly (Complaint & { readonly harmless: boolean })[] {
  const found: (Complaint & { harmless: boolean })[] = [];
  const { hold } = rule.terms;
  if (hold && !names.groups.has(hold.group))
    found.push({ ...unknown('group', hold.group, names.groups), harmless: false });
  if (hold?.channel !== undefined && !names.channels.has(hold.channel))
    found.push({ ...unknown('channel', hold.channel, names.channels), harmless: false });
  if (asksFresh(rule) && names.stepUp === false) found.push(nowhereFresh);
  for (const mention of mentions(rule.json)) {
    const complaint = checkPattern(mention) ?? checkMention(mention, names);
    if (complaint) found.push({ ...complaint, harmless: isHarmless(rule, mention) });
  }
  return found;
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

const placeTypes = new Set(['Target', 'Schema', 'Table', 'Function', 'Column']);

function checkPattern({ type, id }: Mention): Complaint | undefined {
  if (!placeTypes.has(type) || !id.split('/').includes('*')) return undefined;
  return {
    message: `${type}::"${id}" is no pattern: a name is meant as it is written`,
    hint: 'write resource in Table::"…", in Schema::"…" or in Target::"…"',
  };
}

function checkMention({ type, id }: Mention, names: Names): Complaint | undefined {
  const target = id.split('/')[0] ?? '';
  switch (type) {
    case 'Group':
      return names.groups.has(id) ? undefined : unknown('group', id, names.groups);
    case 'Role':
      return checkTarget(target, names);
    case 'Target':
      return checkTarget(id, names);
    case 'Schema':
      return checkTarget(target, names) ?? checkObject('schema', id, names.schemas, names);
    case 'Table':
      return checkTarget(target, names) ?? checkObject('table', id, names.tables, names);
    case 'Column':
      return checkTarget(target, names) ?? checkObject('column', id, names.columns, names);
    default:
      return undefined;
  }
}

function checkTarget(id: string, names: Names): Complaint | undefined {
  return names.targets && !names.targets.has(id) ? unknown('target', id, names.targets) : undefined;
}

function checkObject(
  word: string,
  id: string,
  existing: ReadonlySet<string>,
  names: Names,
): Complaint | undefined {
  const target = id.split('/')[0] ?? '';
  if (!names.read.has(target) || existing.has(id)) return undefined;
  return unknown(word, id, existing);
}

function unknown(word: string, name: string, existing: ReadonlySet<string>): Complaint {
  const near = nearest(name, existing);
  const some = [...existing].toSorted().slice(0, 8).join(', ');
  const hint = near ? `did you mean "${near}"?` : `there ${some ? `is: ${some}` : 'is none'}`;
  return { message: `there is no ${word} "${name}"`, hint };
}
