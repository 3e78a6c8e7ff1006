import type { types } from '@slack/bolt';
import { visible } from '../text.ts';
import { escapeMrkdwn, fallback, label, words } from './escape.ts';
import type { Button, Choice, Field, Form, Line, Part, Post, Span } from '../model.ts';

type Block = types.KnownBlock;
type RichSection = types.RichTextSection | types.RichTextPreformatted | types.RichTextList;
type RichElement = types.RichTextSection['elements'][number];

/** What `chat.postMessage` and `chat.update` take. */
export type SlackMessage = { readonly text: string; readonly blocks: Block[] };

/** Slack refuses about 13,200 characters of blocks (bolt-js#2509) without documenting it. */
const BLOCKS_MAX = 12_000;
const WHEN = '{date_short_pretty} {time}';
const BUTTONS_MAX = 25;

export const fits = ({ blocks }: SlackMessage): boolean =>
  blocks.length <= 50 && JSON.stringify(blocks).length <= BLOCKS_MAX;

/** Ids of uploaded pictures by their base64, and Slack's user groups by the directory's group. */
export type Known = {
  readonly files?: ReadonlyMap<string, string>;
  readonly usergroups?: ReadonlyMap<string, string>;
};

export function slackMessage(post: Post, known: Known = {}): SlackMessage {
  return { text: fallback(post.summary), blocks: blocksOf(post, known) };
}

/** A modal with the form, or with `post` alone once there is nothing to fill in. */
export function modalOf(form: Form, metadata: string, known: Known = {}): types.ModalView {
  return {
    type: 'modal',
    callback_id: form.id,
    private_metadata: metadata,
    title: words(form.title, 24),
    submit: words(form.submit, 24),
    close: words('Back', 24),
    blocks: [
      ...blocksOf({ summary: '', parts: form.parts ?? [] }, known),
      ...form.fields.map(input),
    ],
  };
}

export function closingModal(title: string, post: Post, known: Known = {}): types.ModalView {
  return {
    type: 'modal',
    title: words(title, 24),
    close: words('Close', 24),
    blocks: blocksOf(post, known),
  };
}

export function blocksOf({ title, parts }: Post, known: Known): Block[] {
  const blocks: Block[] = [];
  if (title !== undefined) blocks.push({ type: 'header', text: words(title, 150) });
  let rich: RichSection[] | undefined;
  for (const [i, part] of parts.entries()) {
    const text = richOf(part, known);
    if (text) {
      if (!rich) blocks.push({ type: 'rich_text', elements: (rich = []) });
      rich.push(...text);
      continue;
    }
    rich = undefined;
    const block = blockOf(part, i, known);
    if (block) blocks.push(block);
  }
  return blocks;
}

/** Everything people wrote goes into rich text, whose elements Slack takes literally: no markup, no mention. */
function richOf(part: Part, known: Known): readonly RichSection[] | undefined {
  switch (part.kind) {
    case 'text':
      return [section(part.line.map((span) => element(span, known)))];
    case 'facts':
      return part.facts.map((fact) => section([bold(`${fact.label}: `), plain(fact.text)]));
    case 'code':
      return [{ type: 'rich_text_preformatted', elements: [plain(part.text || ' ')] }];
    case 'list':
      return part.items.length === 0
        ? []
        : [
            {
              type: 'rich_text_list',
              style: 'bullet',
              elements: part.items.map((line) => ({
                type: 'rich_text_section',
                elements: filled(line.map((span) => element(span, known))),
              })),
            },
          ];
    case 'note':
    case 'image':
    case 'buttons':
      return undefined;
    default:
      return part satisfies never;
  }
}

function blockOf(part: Part, at: number, known: Known): Block | undefined {
  switch (part.kind) {
    case 'note':
      return {
        type: 'context',
        elements: [small(lineText(part.line, known))],
      };
    case 'image': {
      const id = known.files?.get(part.png);
      // A picture that Slack does not have is told in words.
      return id === undefined
        ? {
            type: 'context',
            elements: [small(escapeMrkdwn(label(part.alt, 1_000)))],
          }
        : { type: 'image', slack_file: { id }, alt_text: label(part.alt, 2_000) };
    }
    case 'buttons':
      return {
        type: 'actions',
        block_id: `buttons${at}`,
        elements: part.buttons.slice(0, BUTTONS_MAX).map(button),
      };
    case 'text':
    case 'facts':
    case 'code':
    case 'list':
      return undefined;
    default:
      return part satisfies never;
  }
}

function button(one: Button): types.Button {
  const shown = {
    type: 'button' as const,
    action_id: one.action,
    text: words(one.label, 75),
    ...(one.style && { style: one.style }),
    ...(one.hint !== undefined && { accessibility_label: label(one.hint, 75) }),
  };
  if ('url' in one) return { ...shown, url: one.url };
  return {
    ...shown,
    value: one.value,
    ...(one.confirm && {
      confirm: {
        title: words(one.confirm.title, 100),
        text: words(one.confirm.text, 300),
        confirm: words(one.confirm.yes, 30),
        deny: words('Back', 30),
      },
    }),
  };
}

function input(field: Field): types.InputBlock {
  return {
    type: 'input',
    block_id: field.id,
    label: words(field.label, 2_000),
    ...(field.hint !== undefined && { hint: words(field.hint, 2_000) }),
    ...(field.optional && { optional: true }),
    element: inputElement(field),
  };
}

const optionOf = ({ value, label: text, about }: Choice) => ({
  text: words(text, 75),
  ...(about !== undefined && about !== '' && { description: words(about, 75) }),
  value,
});

/** As `block_suggestion` wants them. */
export const optionsOf = (choices: readonly Choice[]) => choices.slice(0, 100).map(optionOf);

/** `value` in each element's answer is read by `valuesOf`. */
function inputElement(field: Field): types.InputBlock['element'] {
  const { initial } = field;
  switch (field.kind) {
    case 'text':
      return {
        type: 'plain_text_input',
        action_id: 'text',
        max_length: Math.min(field.max, 3_000),
        multiline: field.lines === true,
        ...(initial !== undefined && { initial_value: initial }),
      };
    case 'choice': {
      const options = optionsOf(field.choices);
      const chosen = options.find(({ value }) => value === initial);
      return {
        type: 'static_select',
        action_id: 'choice',
        options,
        ...(chosen && { initial_option: chosen }),
      };
    }
    case 'search':
      return {
        type: 'external_select',
        action_id: field.source,
        min_query_length: 0,
        ...(initial !== undefined && {
          initial_option: optionOf({ value: initial, label: initial }),
        }),
      };
    case 'time':
      return {
        type: 'datetimepicker',
        action_id: 'time',
        ...(initial !== undefined && {
          initial_date_time: Math.floor(Date.parse(initial) / 1_000),
        }),
      };
    default:
      return field satisfies never;
  }
}

function element(span: Span | string, known: Known): RichElement {
  if (typeof span === 'string') return plain(span);
  const { text, style, link, at, notify } = span;
  const group = notify === undefined ? undefined : known.usergroups?.get(notify);
  if (group !== undefined) return { type: 'usergroup', usergroup_id: group };
  if (at !== undefined)
    return {
      type: 'date',
      timestamp: Math.floor(Date.parse(at) / 1_000),
      format: WHEN,
      fallback: label(text, 200),
    };
  if (link !== undefined) return { type: 'link', url: link, text: label(text, 2_000) };
  return style === undefined ? plain(text) : { ...plain(text), style: { [style]: true } };
}

function mrkdwn(span: Span | string, known: Known): string {
  if (typeof span === 'string') return escapeMrkdwn(span);
  const { text, link, at, style, notify } = span;
  const shown = escapeMrkdwn(text);
  const group = notify === undefined ? undefined : known.usergroups?.get(notify);
  if (group !== undefined) return `<!subteam^${group}>`;
  if (at !== undefined)
    return `<!date^${Math.floor(Date.parse(at) / 1_000)}^${WHEN} ({ago})|${shown}>`;
  if (link !== undefined) return `<${link}|${shown.replaceAll('|', '¦')}>`;
  return style === 'bold' && shown.trim() !== '' ? `*${shown}*` : shown;
}

/** A line where Slack reads mrkdwn. */
export const lineText = (line: Line, known: Known = {}): string =>
  line.map((span) => mrkdwn(span, known)).join('');

/** An item with nothing in it is refused. */
const filled = (elements: readonly RichElement[]): RichElement[] => {
  const said = elements.filter(isSaid);
  return said.length > 0 ? said : [plain('-')];
};

/** `verbatim`: Slack itself looks for no links, channels and names in it. */
const small = (text: string) => ({ type: 'mrkdwn' as const, text: text || '-', verbatim: true });

const isSaid = (one: RichElement): boolean => one.type !== 'text' || one.text !== '';

function section(elements: readonly RichElement[]): types.RichTextSection {
  return { type: 'rich_text_section', elements: [...elements.filter(isSaid), plain('\n')] };
}

function plain(text: string): types.RichTextText {
  return { type: 'text', text: visible(text) };
}

function bold(text: string): types.RichTextText {
  return { type: 'text', text: visible(text), style: { bold: true } };
}
