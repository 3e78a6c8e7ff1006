import type { Json, JsonObject } from '#src/audit/log.ts';
import type { RecordView } from '#src/audit/reader.ts';
import { href, type RecordsQuery } from '../filters.ts';
import { html, type Html } from '../html.ts';
import type { Page } from '../layout.ts';
import { kindName, shortened, verdictBadge, when } from '../words.ts';
import { days, narrowing, pager } from './lists.ts';

/** A text, or a list of them; empty for anything else. */
export const textOf = (value: Json | undefined): string => {
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
  'sign-in': ['via', 'provider', 'why', 'client'],
  'sign-out': ['why', 'by'],
  person: ['action', 'provider', 'why', 'by'],
  'session-start': ['application', 'client', 'message'],
  token: ['action', 'label', 'by'],
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

const KINDS = [
  'statement',
  'outcome',
  'decision',
  'request',
  'claim',
  'session-start',
  'session-end',
  'sign-in',
  'sign-out',
  'person',
  'look',
  'grant',
  'recording',
  'erasure',
  'legal-hold',
  'token',
  'policy',
  'recovery',
];
const VERDICTS = ['allow', 'hold', 'deny', 'approved'];

function searchForm(query: RecordsQuery): Html {
  const { q, person, target, kind, verdict } = query;
  return html`<form class="search" method="get" action="/records" role="search">
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
      Words, and <code>session:</code> <code>request:</code> <code>statement:</code> with an id.
      Each search is recorded.
    </p>
    ${narrowing(
      [
        { name: 'person', label: 'Person', value: person, help: 'The whole e-mail address' },
        { name: 'target', label: 'Target', value: target },
        { name: 'kind', label: 'Kind', value: kind, options: KINDS },
        { name: 'verdict', label: 'Verdict', value: verdict, options: VERDICTS },
        ...days(query),
      ],
      href('/records', { q }),
    )}
  </form>`;
}

/** `next` is the record after which the older ones begin, when there are any. */
export function recordsPage(
  query: RecordsQuery,
  records: readonly RecordView[],
  next: string | undefined,
): Page {
  const everything = Object.values(query).every((value) => value === undefined || value === '');
  return {
    title: query.q === '' ? 'Records' : `Records: ${query.q}`,
    at: 'records',
    body: html`<h1>Records</h1>
      ${searchForm(query)}
      <section aria-labelledby="found">
        <h2 id="found">
          ${everything ? 'Newest' : 'Found'}
          <span class="count">${records.length}${next === undefined ? '' : '+'}</span>
        </h2>
        ${
          records.length === 0
            ? html`<p class="empty">No record that you may see matches.</p>`
            : html`<ol class="cards dense">
                ${records.map(row)}
              </ol>`
        }
        ${pager('/records', query, next)}
      </section>`,
  };
}
