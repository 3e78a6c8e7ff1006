import { parseBind, ProtocolViolation, type Bind, type Parse } from '../codec.ts';
import { textOf } from '../parameter.ts';

/** What a message says, for its record. */
export type Said = {
  /** SQL, where it is known. */
  readonly sql?: string;
  /** In place of it. */
  readonly note?: string;
  /** `$1`, `$2` … as text; undefined where a value cannot be shown. */
  readonly params?: readonly (string | null | undefined)[];
};

/** The statement of a Query; its bytes need not be UTF-8 here. */
export function querySaid(body: Buffer): Said {
  const zero = body.indexOf(0);
  return { sql: body.toString('utf8', 0, zero < 0 ? body.length : zero) };
}

/** A prepared statement, as its Parse gave it. */
export type Text = Pick<Parse, 'text' | 'types'>;

/** A Bind's portal, and what it runs as far as the session knows. One that cannot be read is the target's to refuse. */
export function bindSaid(
  body: Buffer,
  prepared: (name: string) => Text | undefined,
): { readonly said: Said; readonly portal?: string; readonly formats?: readonly number[] } {
  const bound = readable(() => parseBind(body));
  if (!bound) return { said: { note: '(a Bind that cannot be read)' } };
  const { portal, statement, resultFormats: formats } = bound;
  const known = prepared(statement);
  const params = paramsOf(bound, known?.types ?? []);
  const note = `(the prepared statement ${JSON.stringify(statement)})`;
  return { said: { ...(known ? { sql: known.text } : { note }), params }, portal, formats };
}

export function callSaid(body: Buffer): Said {
  const oid = body.length >= 4 ? body.readUInt32BE() : '?';
  return { note: `(FunctionCall of the function with OID ${oid})` };
}

export function executeSaid(portal: string | undefined): Said {
  return { note: `(Execute of the cursor ${JSON.stringify(portal ?? '?')})` };
}

/** Undefined when the message breaks the protocol: the target says so itself. */
export function readable<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof ProtocolViolation)) throw error;
    return undefined;
  }
}

function paramsOf(
  { formats, values }: Bind,
  types: readonly number[],
): NonNullable<Said['params']> {
  return values.map((value, i) => {
    const format = (formats.length === 1 ? formats[0] : formats[i]) ?? 0;
    return textOf(value, format, types[i] ?? 0);
  });
}
