import type { Filter, Operator, Place, Plain } from './filter.ts';
import type { Attributes } from './schema.ts';

/** True when the filter holds for a resource. */
export function matches(filter: Filter, resource: Attributes): boolean {
  switch (filter.kind) {
    case 'and':
      return matches(filter.left, resource) && matches(filter.right, resource);
    case 'or':
      return matches(filter.left, resource) || matches(filter.right, resource);
    case 'not':
      return !matches(filter.of, resource);
    case 'present':
      return valuesAt(filter.place, resource).length > 0;
    case 'values': {
      const list = resource[filter.attribute.name];
      return Array.isArray(list) && list.some((each) => matches(filter.filter, each));
    }
    case 'compare':
      return compares(filter, resource);
  }
}

function compares(filter: Filter & { kind: 'compare' }, resource: Attributes): boolean {
  const { place, operator, value } = filter;
  const found = valuesAt(place, resource);
  if (value === null) return (found.length === 0) === (operator === 'eq');
  if (operator === 'ne') return !found.some((each) => holds('eq', place, each, value));
  return found.some((each) => holds(operator, place, each, value));
}

const COMPARE: Readonly<Record<Exclude<Operator, 'ne'>, (a: string, b: string) => boolean>> = {
  eq: (a, b) => a === b,
  co: (a, b) => a.includes(b),
  sw: (a, b) => a.startsWith(b),
  ew: (a, b) => a.endsWith(b),
  gt: (a, b) => a > b,
  ge: (a, b) => a >= b,
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
};

function holds(
  operator: Exclude<Operator, 'ne'>,
  place: Place,
  found: Plain,
  value: Plain,
): boolean {
  if (typeof found !== 'string' || typeof value !== 'string') return found === value;
  const exact = (place.sub ?? place.attribute).caseExact === true;
  return exact
    ? COMPARE[operator](found, value)
    : COMPARE[operator](found.toLowerCase(), value.toLowerCase());
}

function valuesAt({ attribute, sub }: Place, resource: Attributes): Plain[] {
  const value = Object.hasOwn(resource, attribute.name) ? resource[attribute.name] : undefined;
  if (value === undefined) return [];
  const all = Array.isArray(value) ? value : [value];
  return all.flatMap((each: unknown) => {
    const part: unknown = sub && typeof each === 'object' ? partOf(each, sub.name) : each;
    return typeof part === 'string' || typeof part === 'boolean' ? [part] : [];
  });
}

function partOf(value: object | null, name: string): unknown {
  return value && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
}

/** The text that an attribute must equal wherever the filter holds: what an index can look up. */
export function mustEqual(filter: Filter, name: string): string | undefined {
  if (filter.kind === 'and') return mustEqual(filter.left, name) ?? mustEqual(filter.right, name);
  if (filter.kind === 'values') {
    const part = name.startsWith(`${filter.attribute.name}.`) && name.split('.')[1];
    return part ? mustEqual(filter.filter, part) : undefined;
  }
  if (filter.kind !== 'compare' || filter.operator !== 'eq') return undefined;
  const { place, value } = filter;
  const at = place.sub ? `${place.attribute.name}.${place.sub.name}` : place.attribute.name;
  return at === name && typeof value === 'string' ? value : undefined;
}

/** True when the filter cannot be decided without this attribute. */
export function mentions(filter: Filter, name: string): boolean {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return mentions(filter.left, name) || mentions(filter.right, name);
    case 'not':
      return mentions(filter.of, name);
    case 'values':
      return filter.attribute.name === name;
    case 'present':
    case 'compare':
      return filter.place.attribute.name === name;
  }
}
