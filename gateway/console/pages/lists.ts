import { html, type Html, type Part } from '../html.ts';
import { href } from '../filters.ts';

type Params = Readonly<Record<string, string | undefined>>;

/** More of a list: its first page, and the next older one after the last item shown. */
export function pager(path: string, params: Params, next: string | undefined): Html | undefined {
  if (params['before'] === undefined && next === undefined) return undefined;
  return html`<nav class="pager" aria-label="Pages">
    ${params['before'] && html`<a href="${href(path, { ...params, before: undefined })}">Newest</a>`}
    ${next && html`<a href="${href(path, { ...params, before: next })}" rel="next">Older</a>`}
  </nav>`;
}

export type Field = {
  readonly name: string;
  readonly label: string;
  readonly value: string | undefined;
  readonly type?: 'text' | 'date';
  readonly help?: string;
  /** Suggestions; anything else can be typed too. */
  readonly options?: readonly string[];
};

function field({ name, label, value, type = 'text', help, options }: Field): Html {
  return html`<div>
    <label for="f-${name}">${label}</label>
    <input
      id="f-${name}"
      name="${name}"
      type="${type}"
      value="${value ?? ''}"
      maxlength="200"
      autocapitalize="none"
      autocomplete="off"
      spellcheck="false"
      ${help === undefined ? undefined : html`aria-describedby="f-${name}-help"`}
      ${options && html`list="f-${name}-options"`}
    />
    ${help === undefined ? undefined : html`<p class="help" id="f-${name}-help">${help}</p>`}
    ${
      options &&
      html`<datalist id="f-${name}-options">
        ${options.map((each) => html`<option value="${each}"></option>`)}
      </datalist>`
    }
  </div>`;
}

/** Fields that narrow a list, closed until one is in use. They belong to the GET form around them. */
export function narrowing(fields: readonly Field[], clear: string): Html {
  const used = fields.filter(({ value }) => value !== undefined).length;
  return html`<details class="narrowing" ${used > 0 ? html`open` : undefined}>
    <summary>Filter ${used > 0 ? html`<span class="count">${used} set</span>` : undefined}</summary>
    <div class="fields">${fields.map(field)}</div>
    <p class="act">
      <button>Show</button>
      ${used > 0 ? html`<a href="${clear}">Clear</a>` : undefined}
    </p>
  </details>`;
}

type Days = { readonly from?: string | undefined; readonly to?: string | undefined };
export const days = ({ from, to }: Days): readonly Field[] => [
  { name: 'from', label: 'From day (UTC)', value: from, type: 'date' },
  { name: 'to', label: 'To day (UTC)', value: to, type: 'date' },
];

/** The names of the views as links, with the one that is shown marked. */
export const views = (
  label: string,
  items: readonly (readonly [string, string, boolean])[],
): Html =>
  html`<nav class="views" aria-label="${label}">
    <ul>
      ${items.map(
        ([name, url, here]): Part =>
          html`<li>
            <a href="${url}" ${here ? html`aria-current="page"` : undefined}>${name}</a>
          </li>`,
      )}
    </ul>
  </nav>`;
