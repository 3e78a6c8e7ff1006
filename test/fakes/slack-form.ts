import type { FakeView, ViewBlock } from './slack-state.ts';

type Values = Readonly<Record<string, string | null>>;

/** `view.state.values` as Slack makes it of what somebody filled in. Throws where Slack would not let it be sent. */
export function stateOf(view: FakeView, given: Values): Record<string, Record<string, unknown>> {
  const inputs = view.blocks.filter((block) => block.type === 'input');
  for (const id of Object.keys(given))
    if (!inputs.some((block) => block.block_id === id)) throw new Error(`the form has no ${id}`);
  return Object.fromEntries(
    inputs.map((block) => {
      const { block_id: id = '', element } = block;
      const value = Object.hasOwn(given, id) ? (given[id] ?? null) : initialOf(block);
      if ((value ?? '') === '' && block.optional !== true)
        throw new Error(`${id} must not be empty`);
      return [id, { [element?.action_id ?? '']: answerOf(block, value) }];
    }),
  );
}

function initialOf({ element }: ViewBlock): string | null {
  if (element?.initial_date_time !== undefined)
    return new Date(element.initial_date_time * 1_000).toISOString();
  return element?.initial_value ?? element?.initial_option?.value ?? null;
}

function answerOf({ block_id: id, element }: ViewBlock, value: string | null): object {
  if (!element) throw new Error(`${id} has no element`);
  const { type, max_length: max = 3_000, options = [] } = element;
  const make = ANSWERS[type];
  if (!make) throw new Error(`${id} is a ${type}, which nobody knows how to fill in`);
  if (type === 'plain_text_input' && (value?.length ?? 0) > max)
    throw new Error(`${id} is too long`);
  if (type === 'static_select' && value !== null && !options.some((one) => one.value === value))
    throw new Error(`${id} has no choice ${value}`);
  return { type, ...make(value) };
}

const selected = (value: string | null) => ({
  selected_option: value === null ? null : { text: { type: 'plain_text', text: value }, value },
});

const ANSWERS: Readonly<Record<string, (value: string | null) => object>> = {
  plain_text_input: (value) => ({ value }),
  static_select: selected,
  external_select: selected,
  datetimepicker: (value) => ({
    selected_date_time: value === null ? null : Math.floor(Date.parse(value) / 1_000),
  }),
};
