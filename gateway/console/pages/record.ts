import type { Json } from '#src/audit/log.ts';
import type { RecordView } from '#src/audit/reader.ts';
import type { RecordPlace } from '#src/audit/tree/record-proof.ts';
import { html, type Html } from '../html.ts';
import type { Page } from '../layout.ts';
import { kindName, verdictBadge, when } from '../words.ts';

const DEEPEST = 6;

const STATES: Readonly<Record<RecordPlace['state'], string>> = {
  durable: 'written; not in the tree yet',
  sequenced: 'in the tree; not signed yet',
  signed: 'signed',
  witnessed: 'signed and witnessed',
  anchored: 'signed, and laid down outside the store',
};

function placeOf(id: string, { state, index }: RecordPlace): Html {
  const proven = state !== 'durable' && state !== 'sequenced';
  return html`${STATES[state]}${index === undefined ? '' : html` <span class="soft">entry ${String(index)}</span>`}
  ${proven ? html`<a href="/api/v1/records/${id}/proof" download="${id}.tlog-proof">Proof</a>` : ''}`;
}

const isList = (value: Json): value is readonly Json[] => Array.isArray(value);

/** A body as people read it; every depth past the limit is left to the JSON below it. */
function readable(value: Json, depth = 0): Html {
  if (value === null) return html`<span class="soft">none</span>`;
  if (typeof value === 'boolean') return html`${value ? 'yes' : 'no'}`;
  if (typeof value === 'string' && value.includes('\n'))
    return html`<pre class="statement small">${value}</pre>`;
  if (typeof value !== 'object') return html`${value}`;
  if (depth >= DEEPEST) return html`<code>${JSON.stringify(value)}</code>`;
  if (isList(value))
    return value.length === 0
      ? html`<span class="soft">none</span>`
      : html`<ul class="plain">
          ${value.map((each) => html`<li>${readable(each, depth + 1)}</li>`)}
        </ul>`;
  return html`<dl class="facts">
    ${Object.entries(value).map(
      ([name, each]) =>
        html`<dt>${name}</dt>
          <dd>${readable(each, depth + 1)}</dd>`,
    )}
  </dl>`;
}

const fact = (name: string, value: Html | string | undefined): Html =>
  value === undefined
    ? html``
    : html`<dt>${name}</dt>
        <dd>${value}</dd>`;

const others = (key: string, id: string | undefined): Html | undefined =>
  id === undefined
    ? undefined
    : html`<code>${id}</code>
        <a href="/records?q=${encodeURIComponent(`${key}:${id}`)}">its records</a>`;

/** Of a statement, the place of the session at which it stands. */
const sessionOf = (session: string, statement: string | undefined): string =>
  statement === undefined
    ? `/sessions/${session}`
    : `/sessions/${session}?at=${statement}#s-${statement}`;

export function recordPage(record: RecordView): Page {
  return {
    title: `Record: ${record.kind}`,
    at: 'records',
    body: html`<p class="eyebrow">Record</p>
      <h1>${kindName(record.kind)} ${verdictBadge(record.verdict)}</h1>
      <section aria-labelledby="fields">
        <h2 id="fields">Entry</h2>
        <dl class="facts">
          ${fact('Kind', record.kind)} ${fact('Id', html`<code>${record.id}</code>`)}
          ${fact('At', when(record.at))} ${fact('Person', record.person)}
          ${fact('Agent', record.agent)} ${fact('Target', record.target)}
          ${fact('Verdict', record.verdict)}
          ${fact(
            'Request',
            record.request === undefined
              ? undefined
              : html`<a href="/requests/${record.request}"><code>${record.request}</code></a>
                  ${others('request', record.request) && html`<a href="/records?q=${encodeURIComponent(`request:${record.request}`)}">its records</a>`}`,
          )}
          ${fact('Statement', others('statement', record.statement))}
          ${fact(
            'Session',
            record.session === undefined
              ? undefined
              : html`<a href="${sessionOf(record.session, record.statement)}"
                  ><code>${record.session}</code></a
                >`,
          )}
          ${fact('Writer', html`${record.writer} <span class="soft">number ${record.seq}</span>`)}
          ${fact('Hash', html`<code>${record.hash}</code>`)}
          ${record.log ? fact('In the log', placeOf(record.id, record.log)) : ''}
        </dl>
      </section>
      <section aria-labelledby="body">
        <h2 id="body">What it says</h2>
        ${
          record.body === undefined
            ? html`<p class="empty">
                The body has been erased. The hash still proves that it was here.
              </p>`
            : html`${readable(record.body)}
                <details>
                  <summary>As JSON</summary>
                  <pre class="statement small">${JSON.stringify(record.body, undefined, 2)}</pre>
                </details>`
        }
      </section>`,
  };
}
