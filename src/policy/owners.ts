import type { Resource } from '../statement/effect.ts';

/** Who owns what, as the owners file says. */
export type Owners = {
  /** The file's text: part of the version of the rules. */
  readonly text: string;
  /** Who owns what no line names. */
  readonly byDefault?: readonly string[];
  /** The first that fits counts. */
  readonly lines: readonly OwnerLine[];
};

export type OwnerLine = {
  /** Of `table`, `schema` and `target` all that is in it, too. */
  readonly of: 'table' | 'schema' | 'target' | 'role';
  /** Names from the target down; `*` in one stands for any part of it. */
  readonly path: readonly string[];
  /** Each of them owns it. */
  readonly groups: readonly string[];
};

/** The groups that own it; empty when nobody does. */
export function ownersOf(owners: Owners, resource: Resource): readonly string[] {
  const line = owners.lines.find((one) => fits(one, resource));
  return line?.groups ?? owners.byDefault ?? [];
}

function fits({ of, path }: OwnerLine, resource: Resource): boolean {
  const isRole = resource.type === 'Role';
  // A role is named like a schema, and is none.
  if (of !== 'target' && (of === 'role') !== isRole) return false;
  return (
    path.length <= resource.path.length &&
    path.every((pattern, at) => like(pattern, resource.path[at] ?? ''))
  );
}

function like(pattern: string, name: string): boolean {
  const parts = pattern.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's').test(name);
}

/** Every group that the file names. */
export const ownerGroups = ({ byDefault = [], lines }: Owners): readonly string[] => [
  ...new Set([...byDefault, ...lines.flatMap(({ groups }) => groups)]),
];

/** What is owned, as people read it: a column and a function belong to what they are in. `shop.public.orders` */
export const ownedName = ({ type, path }: Resource): string =>
  (type === 'Column' ? path.slice(0, 3) : path).join('.');
