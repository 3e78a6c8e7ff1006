import type { Json, JsonObject } from '#src/audit/log.ts';
import type { RecordView } from '#src/audit/reader.ts';
import type { SessionView } from '../../api/reading.ts';
import { html, type Html } from '../html.ts';
import type { Page } from '../layout.ts';
import { kindName, shortened, verdictBadge, when } from '../words.ts';

const textOf = (value: Json | undefined): string => {
  if (typeof value === 'string') return value;
  return isTexts(value) ? value.join(', ') : '';
};

const isTexts = (value: Json | undefined): value is readonly string[] =>
  Array.isArray(value) && value.every((each) => typeof each === 'string');

const text = (body: JsonObject | undefined, ...keys: readonly string[]): string =>
  keys
    .map((key) => textOf(body?.[key]))
    .filter((each) => each !== '')
    .join(' · ');

/** What a record of each kind says in one line; its own page says all of it. */
const GIST: Readonly<Record<string, readonly string[]>> = {
  statement: ['message'],
  outcome: ['tags', 'code', 'outcome'],
  decision: ['decision', 'reason'],
  request: ['event', 'code', 'state', 'why'],
  look: ['looked', 'filters', 'via'],
  'sign-in': ['via', 'client'],
  'session-start': ['application', 'client', 'message'],
  token: ['event', 'label'],
};

function row(record: RecordView): Html {
  const { body, kind } = record;
  const statement = body?.['text'];
  const gist = text(body, ...(GIST[kind] ?? []));
  return html`<li class="card">
    <a class="cover" href="/records/${record.id}"><h3>${kindName(kind)}</h3></a>
    <p class="meta">
      ${verdictBadge(record.verdict)}
      ${record.person === undefined ? undefined : html`<span>${record.person}</span>`}
      ${record.target === undefined ? undefined : html`<span>${record.target}</span>`}
      ${gist === '' ? undefined : html`<span>${shortened(gist, 200)}</span>`} ${when(record.at)}
    </p>
    ${
      typeof statement === 'string'
        ? html`<pre class="statement small">${shortened(statement, 200)}</pre>`
        : undefined
    }
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
