import type { ProofPart } from '#src/audit/tree/record-proof.ts';
import type { Checked } from '../../verify.ts';
import { html, type Html } from '../html.ts';
import { badge, kindName, when } from '../words.ts';

const PARTS: Readonly<Record<ProofPart['part'], { readonly name: string; readonly good: string }>> =
  {
    checkpoint: {
      name: 'Checkpoint',
      good: 'signed by the log, and cosigned by enough witnesses',
    },
    place: { name: 'Place', good: 'the record is in the tree that was signed' },
    content: { name: 'Content', good: 'what the file says is what the record commits to' },
  };

/** What a check has found, in words: all of it, or which part fails. */
export function checkedPanel(checked: Checked): Html {
  const good = checked.problems.length === 0;
  return html`<section class="panel" aria-labelledby="result">
    <h2 id="result" tabindex="-1">
      ${good ? badge('Holds', 'good') : badge('Does not hold', 'bad')} ${headline(checked)}
    </h2>
    ${checked.what === 'proof' ? proofParts(checked) : problems(checked.problems)}
  </section>`;
}

function headline(checked: Checked): string {
  if (checked.what === 'nothing') return 'This is neither a proof nor a checkpoint of a log';
  if (checked.what === 'checkpoint')
    return `Checkpoint of ${checked.size.toLocaleString('en')} records of ${checked.origin}`;
  return `Entry ${checked.index.toLocaleString('en')} of ${checked.size.toLocaleString('en')}`;
}

const problems = (found: readonly string[]): Html =>
  found.length === 0
    ? html`<p>The log begins with exactly the records that were there then.</p>`
    : html`<ul>
        ${found.map((one) => html`<li>${one}</li>`)}
      </ul>`;

function proofParts({ parts, leaf, body }: Checked & { readonly what: 'proof' }): Html {
  const shown = parts.some(({ part }) => part === 'content');
  return html`<dl class="facts">
      ${parts.map(({ part, problem }) => {
        const { name, good } = PARTS[part];
        return html`<dt>${name}</dt>
          <dd>
            ${problem === undefined ? badge('good', 'good') : badge('fails', 'bad')}
            ${problem ?? good}
          </dd>`;
      })}
      ${
        shown
          ? undefined
          : html`<dt>Content</dt>
              <dd>not in the file: it was erased, or may not be shown</dd>`
      }
      <dt>Record</dt>
      <dd>
        ${kindName(leaf.kind)} <code>${leaf.id}</code>, written by ${leaf.writer} at
        ${when(leaf.time)}
      </dd>
    </dl>
    ${
      body === undefined
        ? undefined
        : html`<details>
            <summary>What it says</summary>
            <pre class="statement small">${JSON.stringify(body, undefined, 2)}</pre>
          </details>`
    }`;
}
