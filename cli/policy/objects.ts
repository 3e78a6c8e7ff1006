import type { AccessAction, ColumnAction, Effect, Resource } from '#src/statement/effect.ts';

const ACCESSES: readonly AccessAction[] = [
  'connect',
  'read',
  'write',
  'delete',
  'define',
  'administer',
  'execute',
];
const USES: readonly ColumnAction[] = ['reveal', 'filter', 'join', 'assign'];
const DEPTH = { Target: 1, Schema: 2, Table: 3, Function: 3, Column: 4 } as const;

/** `Table::"shop/public/orders"` as rules write it. Throws an Error that says what it should be. */
export function objectOf(text: string, target: string): Resource {
  const [, type, id] = /^(Target|Schema|Table|Function|Column)::"([^"]+)"$/.exec(text) ?? [];
  const path = id?.split('/').map((part) => part.replaceAll(/%(25|2F|22)/g, decodeURIComponent));
  if (!isType(type) || !path || path.length !== DEPTH[type] || path[0] !== target)
    throw new Error(`${text} is no object of ${target}: write Table::"${target}/public/orders"`);
  return { type, path };
}

const isType = (type: string | undefined): type is keyof typeof DEPTH =>
  type !== undefined && type in DEPTH;

type Doing = { readonly class?: string | undefined; readonly bounded?: boolean | undefined };

/** What a statement does that does only this. Throws when rules know no such action. */
export function effectOf(action: string, resource: Resource, doing: Doing): Effect {
  const access = ACCESSES.find((one) => one === action);
  const use = USES.find((one) => one === action);
  if (!access && !use)
    throw new Error(`${action} is no action: use ${[...ACCESSES, ...USES].join(', ')}`);
  return {
    class: doing.class ?? action,
    bounded: doing.bounded ?? true,
    accesses: access ? [{ action: access, resource }] : [],
    columns: use ? [{ action: use, column: resource }] : [],
    words: '',
  };
}
