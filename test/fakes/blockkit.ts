import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import schema from './blockkit.schema.json' with { type: 'json' };

type Definition = {
  properties?: { type?: { const?: string } };
  /** Of a picture: by its address, or of a file. */
  anyOf?: readonly Definition[];
};
const definitions = schema.definitions as Record<string, Definition>;
const ajv = new Ajv({ allErrors: true, strict: false });
const compile = (name: string): ValidateFunction =>
  ajv.compile({ $ref: `#/definitions/${name}`, definitions });

// Validated block by block through its `type`, so that an error names the block and not a union of all.
const blocks = new Map<string, ValidateFunction>();
for (const [name, definition] of Object.entries(definitions)) {
  const type = (definition.properties ?? definition.anyOf?.[0]?.properties)?.type?.const;
  if (type !== undefined && name.endsWith('Block')) blocks.set(type, compile(name));
}
const views = { modal: compile('SlackView'), home: compile('SlackHome') };

const NOISE = ['anyOf', 'allOf', '$ref', 'const', 'oneOf'];

function say(errors: readonly ErrorObject[], where: string): string[] {
  const plain = errors.filter((error) => !NOISE.includes(error.keyword));
  return (plain.length > 0 ? plain : errors)
    .slice(0, 3)
    .map(
      (error) =>
        `${where}${error.instancePath} ${error.message ?? ''} ${JSON.stringify(error.params)}`,
    );
}

type Loose = {
  type?: string;
  block_id?: string;
  elements?: { action_id?: string }[];
  element?: { options?: { value: string }[]; initial_option?: unknown };
};

/** What Slack would refuse in a message, beside what the types say: totals, duplicates, a missing fallback text. */
export function checkMessage(message: { text?: unknown; blocks?: unknown }): string[] {
  const errors: string[] = [];
  const list = (message.blocks ?? []) as Loose[];
  if (typeof message.text !== 'string' || message.text.trim() === '')
    errors.push('no fallback text');
  else if (message.text.length > 4_000) errors.push('fallback text over 4,000 characters');
  if (list.length > 50) errors.push('more than 50 blocks');
  if (JSON.stringify(list).length > 13_000) errors.push('msg_blocks_too_long');
  return [...errors, ...checkBlocks(list)];
}

type LooseView = { type?: string; submit?: unknown; private_metadata?: string; blocks: Loose[] };

/** What Slack would refuse in a modal, or in App Home. */
export function checkView(view: unknown): string[] {
  const loose = view as LooseView | undefined;
  const check = views[loose?.type === 'home' ? 'home' : 'modal'];
  if (!check(view)) return say(check.errors ?? [], 'view');
  const { blocks: list } = loose as LooseView;
  return [...checkFrame(loose as LooseView), ...checkBlocks(list)];
}

function checkFrame(view: LooseView): string[] {
  const { type, blocks: list, submit, private_metadata: metadata = '' } = view;
  const unsent = type === 'modal' && !submit && list.some((block) => block.type === 'input');
  return [
    ...(list.length > 100 ? ['more than 100 blocks'] : []),
    ...(list.length === 0 ? ['no blocks'] : []),
    ...(metadata.length > 3_000 ? ['private_metadata over 3,000 characters'] : []),
    ...(unsent ? ['a modal with inputs has no submit'] : []),
    ...(JSON.stringify(view).length > 250_000 ? ['view_too_large'] : []),
  ];
}

function checkBlocks(list: readonly Loose[]): string[] {
  const errors: string[] = [];
  const ids = new Set<string | undefined>();
  list.forEach((block, i) => {
    const check = blocks.get(block.type ?? '');
    if (!check) errors.push(`blocks[${i}]: unknown type ${block.type}`);
    else if (!check(block)) errors.push(...say(check.errors ?? [], `blocks[${i}]`));
    errors.push(...checkInitial(block.element, `blocks[${i}]`));
    const actions = (block.elements ?? []).map((each) => each.action_id);
    const twice = [...repeated(actions), ...(ids.has(block.block_id) ? [block.block_id] : [])];
    errors.push(...twice.map((id) => `blocks[${i}]: ${id} is there twice`));
    if (block.block_id !== undefined) ids.add(block.block_id);
  });
  return errors;
}

/** A block's id is its own in the message, an action's in its block. */
const repeated = (ids: readonly (string | undefined)[]) =>
  ids.filter((id, at) => id !== undefined && ids.indexOf(id) < at);

/** What is chosen at first has to be among the options, to the letter. */
function checkInitial(
  { options, initial_option: first }: Loose['element'] = {},
  where = '',
): string[] {
  if (options === undefined) return [];
  if (options.length === 0) return [`${where}: no options`];
  const known = options.map((option) => JSON.stringify(option));
  return first === undefined || known.includes(JSON.stringify(first))
    ? []
    : [`${where}: initial_option is not among the options`];
}
