import type { Cell, Said } from '#src/recording/port.ts';
import { numericColumns, type Answer, type Result } from '#src/recording/transcript.ts';
import { html, type Html } from '../html.ts';
import { count, shortened, size } from '../words.ts';

const LONGEST_CELL = 300;

/** How the columns of a statement were masked, by the column's own name. */
export type Masked = ReadonlyMap<string, string>;

export type ResultContext = {
  /** Where all recorded rows of the statement are. */
  readonly all: string;
  readonly masked: Masked;
  /** What a screen reader calls the tables. */
  readonly name: string;
  readonly whole: boolean;
};

function cell(value: Cell, number: boolean, mask: string | undefined, whole: boolean): Html {
  // A mask to NULL and a NULL look the same to the client, and are not.
  if (value === null)
    return mask === 'null'
      ? html`<td class="none">masked</td>`
      : html`<td class="none">${mask === undefined ? 'NULL' : 'NULL, or masked'}</td>`;
  const text = whole ? value : shortened(value, LONGEST_CELL);
  if (value === '') return html`<td class="none">empty</td>`;
  return number ? html`<td class="number">${text}</td>` : html`<td>${text}</td>`;
}

function table(
  { names, rows }: Result,
  { masked, name, whole }: ResultContext,
  i: number,
): Html | undefined {
  const width = names?.length ?? rows[0]?.length ?? 0;
  if (width === 0) return undefined;
  const numeric = numericColumns(rows, width);
  const masks = Array.from({ length: width }, (_, column) => masked.get(names?.[column] ?? ''));
  const label = i === 0 ? name : `${name}, result ${i + 1}`;
  return html`<div class="result" role="region" tabindex="0" aria-label="${label}">
    <table>
      ${
        names &&
        html`<thead>
          <tr>
            ${names.map(
              (each, column) =>
                html`<th scope="col" ${numeric[column] ? html`class="number"` : undefined}>
                  ${each}${masks[column] === undefined ? undefined : html` <span class="mask">masked</span>`}
                </th>`,
            )}
          </tr>
        </thead>`
      }
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map((value, column) => cell(value, numeric[column] ?? false, masks[column], whole))}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

export const said = ({ severity, code, message, detail, hint }: Said): Html =>
  html`<p class="said">
    <strong>${severity} ${code}</strong> ${message}
    ${detail === undefined ? undefined : html`<span class="soft">${detail}</span>`}
    ${hint === undefined ? undefined : html`<span class="soft">Hint: ${hint}</span>`}
  </p>`;

/** What is not in the table: recorded rows that are on another page, and rows that were never kept. */
function missing({ left, rest, sent }: Result, { all }: ResultContext): Html | undefined {
  if (left === 0 && !rest && !sent) return undefined;
  return html`<p class="help">
    ${
      left === 0
        ? undefined
        : html`${count(left)} more ${left === 1 ? 'row is' : 'rows are'} recorded:
            <a href="${all}">show all</a>.`
    }
    ${
      rest &&
      html`${rest.rows === undefined ? 'What came after it' : `${count(rest.rows)} more ${rest.rows === 1 ? 'row' : 'rows'}`}
      (${size(rest.bytes)}) ${rest.rows === 1 ? 'was' : 'were'} not kept;
      ${rest.digest === undefined ? undefined : html`digest <code>${shortened(rest.digest, 24)}</code>.`}`
    }
    ${
      sent &&
      html`The client sent ${size(sent.bytes)}, which are not kept; digest
        <code>${shortened(sent.digest, 24)}</code>.`
    }
  </p>`;
}

function result(each: Result, context: ResultContext, i: number): Html {
  const { end, error, names } = each;
  return html`${table(each, context, i)} ${missing(each, context)} ${error && said(error)}
  ${
    end && names === undefined
      ? html`<p class="tag"><code>${end.tag ?? 'done'}</code></p>`
      : end && html`<p class="tag">${count(end.rows)} ${end.rows === 1 ? 'row' : 'rows'}</p>`
  }`;
}

/** What came back to a statement: its results in order, and what the target said beside them. */
export const answerOf = ({ results, notices }: Answer, context: ResultContext): Html =>
  html`<div class="answer">
    ${notices.map(said)} ${results.map((each, i) => result(each, context, i))}
  </div>`;
