/** Block Kit as HTML that looks somewhat like Slack: for pictures of what the bot says, made without Slack. */
type Node = Readonly<Record<string, any>>;

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};
const html = (text: string | undefined): string =>
  (text ?? '').replaceAll(/[&<>"]/g, (sign) => escapes[sign] ?? '');

const time = (seconds: number): string =>
  new Date(seconds * 1_000).toISOString().slice(0, 16).replace('T', ' ');

/** What Slack reads in mrkdwn, of what the renderer puts there. */
const mrkdwn = (text: string): string =>
  html(text.replaceAll('&lt;', '‹').replaceAll('&gt;', '›').replaceAll('&amp;', '&'))
    .replaceAll(/&lt;!date\^(\d+)\^[^|]*\|.*?&gt;/g, (_, at: string) => time(Number(at)))
    .replaceAll(/&lt;(https?:[^|]*?)\|(.*?)&gt;/g, '<a>$2</a>')
    .replaceAll(/\*([^*]+)\*/g, '<b>$1</b>')
    .replaceAll('\n', '<br>');

function element(one: Node): string {
  const { type, text, style = {} } = one;
  if (type === 'link') return `<a>${html(text)}</a>`;
  if (type === 'date') return time(Number(one['timestamp']));
  if (type === 'usergroup') return `<a>@${html(one['usergroup_id'])}</a>`;
  const shown = html(text).replaceAll('\n', '<br>');
  if (style.code === true) return `<code>${shown}</code>`;
  return style.bold === true ? `<b>${shown}</b>` : shown;
}

const elements = (list: readonly Node[]): string => list.map(element).join('');

function rich({ type, elements: list }: Node): string {
  if (type === 'rich_text_preformatted') return `<pre>${elements(list)}</pre>`;
  if (type === 'rich_text_list')
    return `<ul>${list.map((item: Node) => `<li>${elements(item['elements'])}</li>`).join('')}</ul>`;
  return `<p>${elements(list).replace(/<br>$/, '')}</p>`;
}

function control(one: Node): string {
  const chosen = one['initial_option']?.text.text ?? 'Select an option';
  switch (one['type']) {
    case 'plain_text_input':
      return one['multiline'] === true
        ? `<div class="input tall">${html(one['initial_value'])}</div>`
        : `<div class="input">${html(one['initial_value'])}</div>`;
    case 'datetimepicker':
      return `<div class="input">${one['initial_date_time'] ? time(one['initial_date_time']) : 'Select a date and time'}</div>`;
    default:
      return `<div class="input select">${html(chosen)}<i>⌄</i></div>`;
  }
}

export type Files = (id: string) => Buffer | undefined;

const image = (block: Node, files: Files): string => {
  const bytes = files(block['slack_file']?.id ?? '');
  return bytes ? `<img src="data:image/png;base64,${bytes.toString('base64')}">` : '';
};

const input = ({ label, element: one, hint, optional }: Node): string =>
  `<label>${html(label.text)}${optional ? ' <i>(optional)</i>' : ''}</label>${control(one)}${
    hint ? `<small>${html(hint.text)}</small>` : ''
  }`;

const button = ({ style = '', text }: Node): string =>
  `<button class="${style}">${html(text.text)}</button>`;

const BLOCKS: Readonly<Record<string, (block: Node, files: Files) => string>> = {
  header: ({ text }) => `<h1>${html(text.text)}</h1>`,
  rich_text: (block) => block['elements'].map(rich).join(''),
  section: ({ text }) => `<p>${mrkdwn(text.text)}</p>`,
  context: (block) =>
    `<small>${block['elements'].map((one: Node) => mrkdwn(one['text'])).join(' ')}</small>`,
  image,
  actions: (block) => `<div class="actions">${block['elements'].map(button).join('')}</div>`,
  input,
};

const blocksOf = (blocks: readonly object[], files: Files): string =>
  blocks
    .map((block: Node) => {
      const show = BLOCKS[block['type']];
      if (!show) throw new Error(`no picture of a ${block['type']} is known`);
      return show(block, files);
    })
    .join('');

const STYLE = `body{margin:0;padding:16px;background:#fff;color:#1d1c1d;font:15px/1.45 Lato,'Noto Sans','DejaVu Sans',sans-serif;width:608px}
h1{font-size:18px;margin:4px 0}p{margin:0}ul{margin:0;padding-left:24px}small,i{color:#616061;font-size:12px;font-style:normal;display:block;margin:4px 0}
label i{display:inline}a{color:#1264a3}code{color:#c01343;background:#f4f4f4;border:1px solid #ddd;border-radius:3px;padding:0 3px;font:12px monospace}
pre{background:#f8f8f8;border:1px solid #ddd;border-radius:4px;padding:8px;margin:4px 0;font:12px/1.5 monospace;white-space:pre-wrap;overflow-wrap:anywhere}
.actions{display:flex;flex-wrap:wrap;gap:8px;margin:8px 0}button{border:1px solid #bbb;border-radius:4px;background:#fff;font:bold 13px sans-serif;padding:6px 12px;color:#1d1c1d}
button.primary{background:#007a5a;border-color:#007a5a;color:#fff}button.danger{background:#fff;border-color:#e01e5a;color:#b3123f}
.message{display:flex;gap:10px}.face{flex:none;width:36px;height:36px;border-radius:6px;background:#1f2937;color:#fff;font:bold 18px/36px sans-serif;text-align:center}
.by{font-weight:bold}.by span{background:#ddd;border-radius:2px;font-size:10px;padding:1px 3px;margin:0 4px}.message>div{min-width:0}
.modal{border:1px solid #ccc;border-radius:8px;padding:16px 20px}.modal>header{font:bold 20px sans-serif;border-bottom:1px solid #ddd;padding-bottom:10px;margin-bottom:10px}
.modal>footer{border-top:1px solid #ddd;margin-top:14px;padding-top:12px;display:flex;justify-content:flex-end;gap:8px}label{display:block;font-weight:bold;margin-top:10px}
.input{border:1px solid #8d8d8d;border-radius:4px;padding:7px 10px;min-height:21px;margin-top:3px;color:#1d1c1d}.input.tall{min-height:72px}.input.select i{float:right;margin:0}img{max-width:100%;border:1px solid #ddd;border-radius:4px;margin:4px 0;display:block}`;

const page = (body: string): string =>
  `<!doctype html><meta charset="utf-8"><style>${STYLE}</style>${body}`;

export const messageHtml = (blocks: readonly object[], files: Files = () => undefined): string =>
  page(
    `<div class="message"><div class="face">C</div><div><div class="by">countersign<span>APP</span></div>${blocksOf(blocks, files)}</div></div>`,
  );

export const homeHtml = (blocks: readonly object[]): string =>
  page(blocksOf(blocks, () => undefined));

type View = {
  readonly blocks: readonly object[];
  readonly title?: { readonly text: string };
  readonly submit?: { readonly text: string };
  readonly close?: { readonly text: string };
};

export const modalHtml = ({ blocks, title, submit, close }: View): string =>
  page(
    `<div class="modal"><header>${html(title?.text)}</header>${blocksOf(blocks, () => undefined)}<footer><button>${html(close?.text ?? 'Close')}</button>${
      submit ? `<button class="primary">${html(submit.text)}</button>` : ''
    }</footer></div>`,
  );
