import type { Choice, Field, Form } from '../model.ts';
import { acting, actionSets, type Card, cardOf, type Element, elementsOf } from './render.ts';
import { instantOf, partsOf } from './zone.ts';

/** Answers of a form come with the button's own data: a field never takes its place. */
const PREFIX = 'field:';

/** What is known of a form only when it is shown. */
export type Shown = {
  /** The form as it was stored. */
  readonly id: string;
  /** The reader's time zone, such as `Europe/Berlin`. */
  readonly zone: string;
  /** First choices of `search` fields, by source: for clients that do not look more up. */
  readonly found: Readonly<Record<string, readonly Choice[]>>;
  readonly values?: Readonly<Record<string, string>>;
  readonly errors?: Readonly<Record<string, string>>;
  /** `dialog`: Teams shows it in a window of its own; `card`: as a message. */
  readonly as: 'dialog' | 'card';
  /** It stands in the place of another card, to which one can go back. */
  readonly back?: boolean;
};

export const SEND = 'form.send';
export const BACK = 'form.back';

/** Nothing of the form has to be filled in for that. */
const back = (id: string): Element => {
  const action = acting({ title: 'Back' }, BACK, id);
  return { ...action, associatedInputs: 'none' };
};

export function formCard(form: Form, shown: Shown): Card {
  const data = { action: SEND, value: shown.id };
  const send: Element =
    shown.as === 'dialog'
      ? { type: 'Action.Submit', title: form.submit, style: 'positive', data }
      : acting({ title: form.submit, style: 'positive' }, SEND, shown.id);
  return cardOf(
    {
      summary: form.title,
      ...(shown.as === 'card' && { title: form.title }),
      parts: form.parts ?? [],
    },
    {
      more: [
        ...form.fields.flatMap((field) => fieldElements(field, shown)),
        ...actionSets([send, ...(shown.back ? [back(shown.id)] : [])]),
      ],
    },
  );
}

/** What was filled in, by field; a time as ISO 8601. */
export function answersOf(
  form: Form,
  data: Readonly<Record<string, unknown>>,
  zone: string,
): Readonly<Record<string, string>> {
  const text = (id: string): string => {
    const value = data[PREFIX + id];
    return typeof value === 'string' ? value : '';
  };
  return Object.fromEntries(
    form.fields.map((field) => {
      const { id } = field;
      if (field.kind === 'time')
        return [id, instantOf(text(`${id}:date`), text(`${id}:time`), zone)];
      const value = text(id);
      return [id, field.kind === 'text' ? value.slice(0, field.max) : value];
    }),
  );
}

function fieldElements(field: Field, shown: Shown): readonly Element[] {
  const error = shown.errors?.[field.id];
  return [
    ...(field.hint === undefined ? [] : elementsOf({ kind: 'note', line: [field.hint] })),
    ...(error === undefined ? [] : [attention(error)]),
    ...inputs(field, shown),
  ];
}

function attention(text: string): Element {
  const [block] = elementsOf({ kind: 'text', line: [{ text, style: 'bold' }] });
  return { type: 'Container', style: 'attention', items: [block] };
}

function inputs(field: Field, shown: Shown): readonly Element[] {
  const value = shown.values?.[field.id] ?? field.initial;
  const input = {
    id: PREFIX + field.id,
    label: plain(field.label),
    isRequired: field.optional !== true,
    errorMessage: 'This is needed.',
  };
  switch (field.kind) {
    case 'text':
      return [
        {
          type: 'Input.Text',
          ...input,
          maxLength: field.max,
          isMultiline: field.lines === true,
          ...(value !== undefined && { value }),
        },
      ];
    case 'choice':
      return [choices(input, field.choices, value)];
    case 'search':
      return [
        {
          ...choices(input, known(shown.found[field.source] ?? [], value), value),
          style: 'filtered',
          'choices.data': { type: 'Data.Query', dataset: field.source },
        },
      ];
    case 'time':
      return timeInputs(input, value, shown.zone);
    default:
      return field satisfies never;
  }
}

type Input = { readonly id: string; readonly label: string };

/** What stands in the field can be chosen, whether it was found or not. */
function known(found: readonly Choice[], value: string | undefined): readonly Choice[] {
  const missing = value !== undefined && !found.some((one) => one.value === value);
  return missing ? [{ value, label: value }, ...found] : found;
}

function choices(input: Input, found: readonly Choice[], value: string | undefined): Element {
  return {
    type: 'Input.ChoiceSet',
    ...input,
    choices: found.slice(0, 100).map(choiceOf),
    ...(value !== undefined && value !== '' && { value }),
  };
}

/** Also the shape in which Teams takes what was looked up. */
export const choiceOf = ({ value, label, about }: Choice): { title: string; value: string } => ({
  title: plain(about === undefined ? label : `${label} (${about})`),
  value,
});

function timeInputs(input: Input, value: string | undefined, zone: string): readonly Element[] {
  const at = value === undefined || value === '' ? undefined : partsOf(value, zone);
  const part = (type: string, name: string, text: string, what: string): Element => ({
    type,
    ...input,
    id: `${input.id}:${name}`,
    label: plain(`${what} (${zone})`),
    ...(text !== '' && { value: text }),
  });
  return [
    part('Input.Date', 'date', at?.date ?? '', 'Day'),
    part('Input.Time', 'time', at?.time ?? '', 'Time'),
  ];
}

/** For the few places that may read markdown and take no runs: its signs are shown as others that look alike. */
const LOOKALIKES: Readonly<Record<string, string>> = {
  '*': '∗',
  _: 'ˍ',
  '[': '［',
  ']': '］',
  '`': 'ˋ',
  '<': '‹',
  '>': '›',
  '{': '｛',
  '~': '∼',
  '#': '＃',
  '\\': '＼',
};
const plain = (text: string): string =>
  text.replaceAll(/[*_[\]`<>{~#\\]/g, (sign) => LOOKALIKES[sign] ?? sign);
