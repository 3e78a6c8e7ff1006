import { stringify } from 'yaml';
import { jsonSchema } from './schema.ts';

/** One key of `countersign.yaml`. A name that the operator chooses is `<name>` in the path. */
export type Row = {
  readonly path: readonly string[];
  /** The default as Markdown, or that it is required; empty when it may be left out. */
  readonly preset: string;
  readonly description: string;
  readonly examples: readonly unknown[];
};

type Node = Readonly<Record<string, unknown>>;
const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null;
const nodes = (value: unknown): Node[] => (Array.isArray(value) ? value.filter(isNode) : []);

/** What the operator calls the entries of these keys. */
const CHOSEN: Readonly<Record<string, string>> = {
  people: '<email>',
  machines: '<email>',
  groups: '<group>',
};

let all: readonly Row[] | undefined;

/** Every key, in the order of the schema. */
export function rows(): readonly Row[] {
  all ??= below(jsonSchema(), []);
  return all;
}

/** What may stand below a key: of a union, what may stand below any of its forms. The first that has a key says what it is. */
function below(node: Node, path: readonly string[]): Row[] {
  const found = new Map<string, Row>();
  const forms = [node, ...nodes(node['oneOf']), ...nodes(node['anyOf'])];
  const kinds = forms.filter((form) => isNode(form['properties']));
  for (const form of kinds)
    for (const [key, child] of Object.entries(childrenOf(form))) {
      const at = [...path, key];
      const common = kinds.every((other) => key in childrenOf(other));
      for (const row of [rowOf(at, child, presence(form, key, common)), ...below(child, at)])
        if (!found.has(row.path.join('\0'))) found.set(row.path.join('\0'), row);
    }
  const entries = forms.flatMap(({ additionalProperties: entry }) => {
    const at = [...path, CHOSEN[path.at(-1) ?? ''] ?? '<name>'];
    return isNode(entry) ? [rowOf(at, entry, ''), ...below(entry, at)] : [];
  });
  return [...found.values(), ...entries];
}

function childrenOf({ properties }: Node): Record<string, Node> {
  const children = isNode(properties) ? Object.entries(properties) : [];
  return Object.fromEntries(
    children.flatMap(([key, child]) => (isNode(child) ? [[key, child]] : [])),
  );
}

/** `required`, `required with "mode: http"` where other forms do not have it, or empty. */
function presence(form: Node, key: string, common: boolean): string {
  if (!Array.isArray(form['required']) || !form['required'].includes(key)) return '';
  const kind = Object.entries(childrenOf(form)).find(([, child]) => 'const' in child);
  if (common || !kind) return 'required';
  return `required with \`${kind[0]}: ${String(kind[1]['const'])}\``;
}

function rowOf(path: readonly string[], node: Node, must: string): Row {
  const { description, examples } = node;
  const preset = node['default'];
  const empty = isNode(preset) && Object.keys(preset).length === 0;
  return {
    path,
    preset: preset === undefined || empty ? must : code(flow(preset)),
    description: typeof description === 'string' ? description : '',
    examples: Array.isArray(examples) ? examples.filter((one) => one !== undefined) : [],
  };
}

/** YAML in one line. */
const flow = (value: unknown): string =>
  stringify(value, { collectionStyle: 'flow', lineWidth: 0, flowCollectionPadding: true }).trim();

const cell = (text: string): string => text.replaceAll('|', '\\|');
const code = (text: string): string => (text === '' ? '' : `\`${cell(text)}\``);

/** The table of docs/configuration.md: every key with its default, its meaning and an example. */
export function referenceTable(): string {
  const lines = rows().map(({ path, preset, description, examples }) => {
    const example = code(examples.length === 0 ? '' : flow(examples[0]));
    return `| ${code(path.join('.'))} | ${preset} | ${cell(description)} | ${example} |`;
  });
  return ['| key | default | meaning | example |', '|---|---|---|---|', ...lines].join('\n');
}

/** docs/countersign.schema.json, for editors. */
export function schemaFile(): string {
  return `${JSON.stringify(jsonSchema(), undefined, 2)}\n`;
}

const TABLE = /(<!-- generated [^]*?-->\n)[^]*?(\n<!-- end of what is generated -->)/;

/** The files of docs/ that follow from the schema, as they should be. */
export async function generated(
  read: (name: string) => Promise<string>,
): Promise<ReadonlyMap<string, string>> {
  const page = await read('configuration.md');
  if (!TABLE.test(page)) throw new Error('docs/configuration.md has lost the marks of its table');
  const table = page.replace(TABLE, (_, begin, end) => `${begin}\n${referenceTable()}\n${end}`);
  return new Map([
    ['configuration.md', table],
    ['countersign.schema.json', schemaFile()],
  ]);
}
