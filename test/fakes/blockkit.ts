import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import schema from './blockkit.schema.json' with { type: 'json' };

type Definition = { properties?: { type?: { const?: string } } };
const definitions = schema.definitions as Record<string, Definition>;
const ajv = new Ajv({ allErrors: true, strict: false });
const compile = (name: string): ValidateFunction =>
  ajv.compile({ $ref: `#/definitions/${name}`, definitions });

// Validated block by block through its `type`, so that an error names the block and not a union of all.
const blocks = new Map<string, ValidateFunction>();
for (const [name, definition] of Object.entries(definitions)) {
  const type = definition.properties?.type?.const;
  if (type !== undefined && name.endsWith('Block')) blocks.set(type, compile(name));
}
const view = compile('SlackView');

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

type Loose = { type?: string; block_id?: string; elements?: { action_id?: string }[] };

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

/** What Slack would refuse in a modal. */
export function checkView(modal: unknown): string[] {
  if (!view(modal)) return say(view.errors ?? [], 'view');
  return checkBlocks((modal as { blocks: Loose[] }).blocks);
}

function checkBlocks(list: readonly Loose[]): string[] {
  const errors: string[] = [];
  const ids = new Set<string>();
  list.forEach((block, i) => {
    const check = blocks.get(block.type ?? '');
    if (!check) errors.push(`blocks[${i}]: unknown type ${block.type}`);
    else if (!check(block)) errors.push(...say(check.errors ?? [], `blocks[${i}]`));
    const own = [block.block_id, ...(block.elements ?? []).map((each) => each.action_id)];
    for (const id of own.filter((each) => each !== undefined)) {
      if (ids.has(id)) errors.push(`blocks[${i}]: ${id} is there twice`);
      ids.add(id);
    }
  });
  return errors;
}
