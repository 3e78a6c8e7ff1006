import type { JsonObject } from '#src/audit/log.ts';
import type { RecordView } from '#src/audit/reader.ts';
import type { SessionView } from '../../api/reading.ts';
import { html, type Html } from '../html.ts';
import type { Page } from '../layout.ts';
import { shortened, verdictBadge, when } from '../words.ts';

/** The line that says most: the masked statement, else whatever words the record has. */
function gist(body: JsonObject | undefined): string {
  for (const key of ['text', 'statement', 'words', 'message', 'reason', 'looked', 'state', 'why']) {
    const value = body?.[key];
    if (typeof value === 'string' && value !== '') return shortened(value, 200);
  }
  return '';
}

function row(record: RecordView): Html {
  const line = gist(record.body);
  return html`<li class="card">
    <a class="cover" href="/records/${record.id}"><h3>${record.kind}</h3></a>
    <p class="meta">
      ${verdictBadge(record.verdict)}
      ${record.person === undefined ? undefined : html`<span>${record.person}</span>`}
      ${record.target === undefined ? undefined : html`<span>${record.target}</span>`}
      ${when(record.at)}
    </p>
    ${line === '' ? undefined : html`<pre class="statement small">${line}</pre>`}
  </li>`;
}

const rows = (records: readonly RecordView[]): Html =>
  html`<ol class="cards dense">
    ${records.map(row)}
  </ol>`;

export function recordsPage(q: string, limit: number, records: readonly RecordView[]): Page {
  return {
    title: q === '' ? 'Records' : `Records: ${q}`,
    at: 'records',
    body: html`<h1>Records</h1>
      <form class="search" method="get" action="/records" role="search">
        <label for="q">Search</label>
        <input
          id="q"
          name="q"
          type="search"
          value="${q}"
          maxlength="500"
          autocapitalize="none"
          spellcheck="false"
          aria-describedby="q-help"
        />
        <button class="primary">Search</button>
        <p id="q-help" class="help">
          Words, and <code>person:</code> <code>target:</code> <code>kind:</code>
          <code>verdict:</code> <code>session:</code> <code>request:</code> <code>statement:</code>.
          Each search is recorded.
        </p>
      </form>
      <section aria-labelledby="found">
        <h2 id="found">
          ${q === '' ? 'Newest' : 'Found'}
          <span class="count">${records.length}${records.length >= limit ? '+' : ''}</span>
        </h2>
        ${records.length === 0 ? html`<p class="empty">No record that you may see matches.</p>` : rows(records)}
      </section>`,
  };
}

export function sessionPage(session: SessionView): Page {
  return {
    title: 'Session',
    at: 'records',
    body: html`<p class="eyebrow">Session</p>
      <h1>${session.person ?? 'Somebody'} on ${session.target ?? 'a target'}</h1>
      <dl class="facts">
        <dt>Id</dt>
        <dd><code>${session.id}</code></dd>
        ${
          session.startedAt &&
          html`<dt>Began</dt>
            <dd>${when(session.startedAt)}</dd>`
        }
        <dt>Ended</dt>
        <dd>${session.endedAt ? when(session.endedAt) : 'not yet'}</dd>
      </dl>
      <section aria-labelledby="steps">
        <h2 id="steps">
          Records, oldest first <span class="count">${session.records.length}</span>
        </h2>
        ${rows(session.records)}
      </section>`,
  };
}
