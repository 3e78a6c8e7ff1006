// Makes blockkit.schema.json from the types and the comments of @slack/types, which state the limits in words:
//   node test/fakes/blockkit-schema.ts
import { writeFile } from 'node:fs/promises';
import { createGenerator } from 'ts-json-schema-generator';

type Node = { [key: string]: unknown };

const number = (text: string | undefined) => Number((text ?? '').replaceAll(',', ''));
const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null;

const LENGTH = [
  /[Mm]aximum length (?:for |is )[^.]*?(\d[\d,]*)/,
  /maximum length is (\d[\d,]*)/,
  /Limit ([\d,]+) characters/,
];
const COUNT = [
  /[Mm]aximum number of (?:items|options|option groups)[^.]*? is (\d+)/,
  /maximum of (\d+) (?:elements|items|options)/i,
  /Maximum (\d+) (?:items|rows|blocks)/,
];
const found = { lengths: 0, counts: 0 };

function limitIn(patterns: readonly RegExp[], words: string): number | undefined {
  for (const pattern of patterns) {
    const hit = pattern.exec(words);
    if (hit) return number(hit[1]);
  }
  return undefined;
}

/** Writes the limit that a property's comment states into its schema. */
function limit(property: Node): void {
  const words = (property['description'] as string | undefined)?.replace(/\s+/g, ' ') ?? '';
  const max = limitIn(LENGTH, words);
  const text = { properties: { text: { type: 'string', maxLength: max } } };
  if (max !== undefined) {
    found.lengths += 1;
    if (property['type'] === 'string') property['maxLength'] = max;
    else if (property['type'] === 'array') property['items'] = { allOf: [property['items'], text] };
    else if (property['$ref'] ?? property['anyOf']) {
      const { $ref, anyOf } = property;
      delete property['$ref'];
      delete property['anyOf'];
      property['allOf'] = [$ref === undefined ? { anyOf } : { $ref }, text];
    }
  }
  const items = limitIn(COUNT, words);
  if (items === undefined || property['type'] !== 'array') return;
  found.counts += 1;
  property['maxItems'] = items;
}

function walk(node: unknown): void {
  if (Array.isArray(node)) node.forEach(walk);
  if (!isNode(node) || Array.isArray(node)) return;
  const properties = node['properties'];
  if (isNode(properties))
    for (const each of Object.values(properties)) if (isNode(each)) limit(each);
  for (const each of Object.values(node)) walk(each);
}

function withoutWords(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withoutWords);
  if (!isNode(node)) return node;
  return Object.fromEntries(
    Object.entries(node)
      .filter(([key, value]) => key !== 'description' || typeof value !== 'string')
      .map(([key, value]) => [key, withoutWords(value)]),
  );
}

const schema = createGenerator({
  path: `${import.meta.dirname}/blockkit-types.ts`,
  tsconfig: `${import.meta.dirname}/../../tsconfig.json`,
  type: '*',
  skipTypeCheck: true,
  additionalProperties: false,
}).createSchema('*');
walk(schema);
const out = `${import.meta.dirname}/blockkit.schema.json`;
await writeFile(out, `${JSON.stringify(withoutWords(schema))}\n`);
process.stdout.write(`${found.lengths} lengths and ${found.counts} counts found\n`);
