import { bad } from './error.ts';
import { parseValueFilter, type Filter } from './filter.ts';
import { attributeOf, type Attribute, type Schema } from './schema.ts';

/** Where a change of a PATCH goes (RFC 7644 section 3.5.2, figure 7). */
export type PatchPath = {
  readonly attribute: Attribute;
  /** Which values of a list. */
  readonly filter?: Filter;
  readonly sub?: Attribute;
};

const LONGEST = 1_000;
const FORM = /^([A-Za-z$][\w$-]*)(?:\[(.*)\])?(?:\.([A-Za-z$][\w$-]*))?$/u;

/**
 * Undefined for what is well-formed and not kept here, such as a telephone number or another schema's attribute: it is
 * ignored, as it is in a whole resource. Throws ScimError `invalidPath`, or `invalidFilter`.
 */
export function parsePath(schema: Schema, written: string): PatchPath | undefined {
  const text = withoutSchema(schema, written.trim());
  if (text === undefined) return undefined;
  const [, name, inner, part] = (text.length <= LONGEST && FORM.exec(text)) || [];
  if (name === undefined)
    throw bad('invalidPath', `The path ${JSON.stringify(written.slice(0, 60))} cannot be read.`);
  const attribute = attributeOf(schema.attributes, name);
  if (!attribute) return undefined;
  if (inner !== undefined && !attribute.multiValued)
    throw bad('invalidPath', `${attribute.name} has no values to choose from.`);
  const filter = inner === undefined ? {} : { filter: parseValueFilter(attribute, inner) };
  if (part === undefined) return { attribute, ...filter };
  if (!attribute.subAttributes) throw bad('invalidPath', `${attribute.name} has no parts.`);
  const sub = attributeOf(attribute.subAttributes, part);
  return sub && { attribute, ...filter, sub };
}

/** Undefined for an attribute of another schema. */
function withoutSchema({ id }: Schema, text: string): string | undefined {
  const lower = text.toLowerCase();
  if (!lower.startsWith('urn:')) return text;
  return lower.startsWith(`${id.toLowerCase()}:`) ? text.slice(id.length + 1) : undefined;
}
