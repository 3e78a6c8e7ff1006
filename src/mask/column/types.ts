/**
 * The types whose values can be masked and stay valid, by the number that pg_type.dat fixes for them. Types with other
 * numbers (of extensions, enums, domains in arrays) are told by the catalog.
 */
export type Form =
  | 'text'
  | 'bpchar'
  | 'int2'
  | 'int4'
  | 'int8'
  | 'numeric'
  | 'float4'
  | 'float8'
  | 'bool'
  | 'uuid'
  | 'date'
  | 'timestamp'
  | 'timestamptz'
  | 'bytea'
  | 'json'
  | 'jsonb';

/** A type that an owner made, as far as masks can follow it. */
export type OwnType =
  | { readonly kind: 'text' }
  | { readonly kind: 'enum'; readonly labels: readonly string[] }
  | { readonly kind: 'domain'; readonly base: number }
  | { readonly kind: 'array'; readonly element: number };

export type CellType = {
  readonly oid: number;
  /** As in RowDescription; -1 when there is none. */
  readonly modifier: number;
  /** Of types with numbers that nothing fixes. */
  readonly own?: ((oid: number) => OwnType | undefined) | undefined;
};

/** What a cell is made of; undefined where only NULL is safe. */
export type Shape =
  | { readonly kind: 'scalar'; readonly form: Form; readonly modifier: number }
  | { readonly kind: 'enum'; readonly labels: readonly string[] }
  | { readonly kind: 'array'; readonly element: Shape | undefined };

const forms: ReadonlyMap<number, Form> = new Map([
  [16, 'bool'],
  [17, 'bytea'],
  [19, 'text'],
  [20, 'int8'],
  [21, 'int2'],
  [23, 'int4'],
  [25, 'text'],
  [114, 'json'],
  [700, 'float4'],
  [701, 'float8'],
  [1042, 'bpchar'],
  [1043, 'text'],
  [1082, 'date'],
  [1114, 'timestamp'],
  [1184, 'timestamptz'],
  [1700, 'numeric'],
  [2950, 'uuid'],
  [3802, 'jsonb'],
]);

const arrays: ReadonlyMap<number, number> = new Map([
  [199, 114],
  [1000, 16],
  [1001, 17],
  [1003, 19],
  [1005, 21],
  [1007, 23],
  [1009, 25],
  [1014, 1042],
  [1015, 1043],
  [1016, 20],
  [1021, 700],
  [1022, 701],
  [1115, 1114],
  [1182, 1082],
  [1185, 1184],
  [1231, 1700],
  [2951, 2950],
  [3807, 3802],
]);

const DEPTH = 8;

/** Domains are followed to their base, arrays to their elements. */
export function shapeOf(type: CellType, depth = DEPTH): Shape | undefined {
  const { oid, modifier, own } = type;
  const form = forms.get(oid);
  if (form) return { kind: 'scalar', form, modifier };
  if (depth === 0) return undefined;
  const inside = (of: number): Shape | undefined => shapeOf({ oid: of, modifier, own }, depth - 1);
  const element = arrays.get(oid);
  if (element !== undefined) return { kind: 'array', element: inside(element) };
  const made = own?.(oid);
  switch (made?.kind) {
    case undefined:
      return undefined;
    case 'text':
      return { kind: 'scalar', form: 'text', modifier: -1 };
    case 'enum':
      return made;
    case 'domain':
      return inside(made.base);
    case 'array':
      return { kind: 'array', element: inside(made.element) };
    default:
      return made satisfies never;
  }
}
