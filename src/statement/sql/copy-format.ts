import type { CopyStmt, DefElem, Node } from 'libpg-query';
import { NotResolved } from './nodetree.ts';

/** How COPY … TO STDOUT writes its rows. Characters are one byte each, as PostgreSQL asks. */
export type CopyFormat =
  | { readonly kind: 'binary' }
  | {
      readonly kind: 'text' | 'csv';
      readonly header: boolean;
      readonly delimiter: string;
      readonly null: string;
      /** For csv. */
      readonly quote: string;
      readonly escape: string;
    };

/** Undefined for what cannot be followed row by row: other encodings, formats and options. */
export function copyFormat(body: CopyStmt): CopyFormat | undefined {
  const options = new Map<string, DefElem>();
  for (const option of body.options ?? [])
    if ('DefElem' in option) options.set(option.DefElem.defname ?? '', option.DefElem);
  const known = [...options.keys()].every((name) => followed.has(name));
  if (!known || !isUtf8(options.get('encoding'))) return undefined;
  const kind = textOf(options.get('format')) ?? 'text';
  if (kind === 'binary') return { kind };
  return kind === 'text' || kind === 'csv' ? written(kind, options) : undefined;
}

const usual = {
  text: { delimiter: '\t', null: '\\N' },
  csv: { delimiter: ',', null: '' },
} as const;

function written(
  kind: 'text' | 'csv',
  options: ReadonlyMap<string, DefElem>,
): CopyFormat | undefined {
  const said = (name: string): string | undefined => textOf(options.get(name));
  const delimiter = said('delimiter') ?? usual[kind].delimiter;
  const quote = said('quote') ?? '"';
  const escape = said('escape') ?? quote;
  if ([delimiter, quote, escape].some((one) => Buffer.byteLength(one) !== 1)) return undefined;
  const header = isOn(options.get('header'));
  return { kind, header, delimiter, null: said('null') ?? usual[kind].null, quote, escape };
}

/** FORCE_QUOTE is seen in the rows themselves. */
const followed = new Set(
  'format encoding header delimiter null quote escape force_quote freeze'.split(' '),
);

function isUtf8(option: DefElem | undefined): boolean {
  return option === undefined || /^utf-?8$/i.test(textOf(option) ?? '');
}

function isOn(option: DefElem | undefined): boolean {
  if (!option) return false;
  const text = textOf(option)?.toLowerCase();
  if (text === undefined || ['true', 'on', '1'].includes(text)) return true;
  if (['false', 'off', '0'].includes(text)) return false;
  throw new NotResolved('HEADER of COPY is neither on nor off');
}

function textOf(option: DefElem | undefined): string | undefined {
  const arg: Node | undefined = option?.arg;
  if (!arg) return undefined;
  if ('String' in arg) return arg.String.sval ?? '';
  if ('Integer' in arg) return String(arg.Integer.ival ?? 0);
  if ('Boolean' in arg) return String(arg.Boolean.boolval ?? false);
  throw new NotResolved('an option of COPY is of an unknown kind');
}
