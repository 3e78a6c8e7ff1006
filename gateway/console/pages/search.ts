import type { Counts } from '#src/audit/search/counts.ts';
import type { Problem } from '#src/audit/search/lexer.ts';
import type { Found, FoundPage } from '#src/audit/search/search.ts';
import type { View } from '#src/audit/search/views.ts';
import { DEFAULT_DAYS, QUALIFIERS, TIMES } from '#src/audit/search/words.ts';
import { href } from '../filters.ts';
import { html, type Html } from '../html.ts';
import { alert, type Page } from '../layout.ts';
import { kindName, shortened, verdictBadge, when } from '../words.ts';
import { textOf } from './records.ts';
import { facetLists, histogram } from './search-counts.ts';

export type SearchView = {
  /** The whole search, with what fields of older links stood for. */
  readonly q: string;
  readonly problems: readonly Problem[];
  /** Undefined while the search cannot be read. */
  readonly page?: FoundPage;
  readonly counts?: Counts;
  readonly usual?: 'days' | 'all' | undefined;
  readonly first: boolean;
  readonly views: readonly View[];
  readonly email: string;
  readonly groups: readonly string[];
  /** Empty for who may not let a channel be told. */
  readonly channels: readonly string[];
  readonly formToken: string;
  /** What was wrong with a view that was to be kept. */
  readonly refused?: string | undefined;
};

const seconds = (ms: number): string =>
  ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;

/** How a statement ended, in a few words. */
function became({ rows, durationMs, code, decision, decidedBy }: Found): string {
  return [
    decision === undefined || decision === 'approved' ? '' : decision,
    decidedBy.length > 0 ? `decided by ${decidedBy.join(', ')}` : '',
    rows === undefined ? '' : `${rows} ${rows === 1 ? 'row' : 'rows'}`,
    durationMs === undefined ? '' : seconds(durationMs),
    code === undefined ? '' : `error ${code}`,
  ]
    .filter((part) => part !== '')
    .join(' · ');
}

function item(found: Found): Html {
  const { record, verdicts } = found;
  const { body = {}, kind } = record;
  const words = textOf(body['words']);
  const said = ['reason', 'looked', 'event', 'action', 'why', 'message']
    .map((name) => textOf(body[name]))
    .filter((each) => each !== '')
    .join(' · ');
  const gist = kind === 'statement' ? became(found) : said;
  return html`<li class="card">
    <a class="cover" href="/records/${record.id}"
      ><h3>${kind === 'statement' && words !== '' ? shortened(words, 120) : kindName(kind)}</h3></a
    >
    <p class="meta">
      ${verdicts.map((verdict) => verdictBadge(verdict))}
      ${record.person === undefined ? undefined : html`<span>${record.person}</span>`}
      ${record.target === undefined ? undefined : html`<span>${record.target}</span>`}
      ${gist === '' ? undefined : html`<span>${shortened(gist, 200)}</span>`} ${when(record.at)}
    </p>
    ${
      typeof body['text'] === 'string'
        ? html`<pre class="statement small">${shortened(body['text'], 200)}</pre>`
        : undefined
    }
  </li>`;
}

function form({ q, problems, usual }: SearchView): Html {
  return html`<form class="search" method="get" action="/records" role="search">
      <label for="q">Search</label>
      <input
        id="q"
        name="q"
        type="search"
        value="${q}"
        maxlength="1000"
        autocapitalize="none"
        autocomplete="off"
        spellcheck="false"
        aria-describedby="q-help"
        ${problems.length > 0 ? html`aria-invalid="true" aria-errormessage="problem"` : undefined}
      />
      <button class="primary">Search</button>
      <p id="q-help" class="help">
        ${usual === 'days' ? `Of the last ${DEFAULT_DAYS} days: after: and before: say otherwise. ` : ''}Such
        as <code>person:engineer effect:delete verdict:held after:7d "customers"</code>. Each search
        is recorded.
      </p>
    </form>
    <details>
      <summary>What can be searched by</summary>
      <dl class="qualifiers">
        ${Object.values({ ...QUALIFIERS, ...TIMES }).map(
          ({ example, about }) =>
            html`<dt><code>${example}</code></dt>
              <dd>${about.replaceAll('`', '')}</dd>`,
        )}
      </dl>
      <p class="help">
        All terms hold together. <code>-</code> in front excludes, <code>*</code> is any letters, a
        comma is or, and quotation marks take words as they are.
      </p>
    </details>`;
}

const told = ({ at, message }: Problem): string => `At character ${at + 1}: ${message}.`;

function pager({ q, page }: SearchView): Html | undefined {
  const { newer, older } = page ?? {};
  if (newer === undefined && older === undefined) return undefined;
  const to = (cursor: string): string => href('/records', { q, cursor });
  return html`<nav class="pager" aria-label="Pages">
    ${newer && html`<a href="${href('/records', { q })}">Newest</a>`}
    ${newer && html`<a href="${to(newer)}" rel="prev">Newer</a>`}
    ${older && html`<a href="${to(older)}" rel="next">Older</a>`}
  </nav>`;
}

function results(view: SearchView): Html {
  const { q, page, counts, first } = view;
  const found = page?.found ?? [];
  return html`${counts && counts.total > 0 ? histogram(q, counts) : undefined}
    <div class="found">
      <section aria-labelledby="found">
        <h2 id="found">
          ${first ? 'Newest first' : 'Further'}
          <span class="count"
            >${counts ? `${counts.total.toLocaleString('en')}${counts.since ? '+' : ''}` : found.length}</span
          >
        </h2>
        ${
          found.length === 0
            ? html`<p class="empty">No record that you may see matches.</p>`
            : html`<ol class="cards dense">
                ${found.map(item)}
              </ol>`
        }
        ${pager(view)}
        ${
          found.length === 0
            ? undefined
            : html`<p class="act">
                Take it with you:
                <a href="${href('/records/export', { q, format: 'csv' })}">CSV</a>
                <a href="${href('/records/export', { q, format: 'ndjson' })}">JSON lines</a>
                <a
                  href="${href('/records/export', { q, format: 'ndjson', proofs: 'true', limit: '1000' })}"
                  >with proofs</a
                >
              </p>`
        }
      </section>
      ${counts && counts.total > 0 ? facetLists(q, counts) : undefined}
    </div>`;
}

function kept({ views, email }: SearchView): Html | undefined {
  if (views.length === 0) return undefined;
  return html`<nav aria-label="Views">
    <ul class="saved">
      ${views.map(
        (view) =>
          html`<li>
            <a href="${href('/records', { q: view.query })}">${view.name}</a>
            ${view.owner === email ? undefined : html`<span class="help">of ${view.owner}</span>`}
          </li>`,
      )}
      <li><a href="/views">Manage</a></li>
    </ul>
  </nav>`;
}

function keep({ q, groups, channels, formToken, refused, page }: SearchView): Html | undefined {
  if (!page) return undefined;
  return html`<details ${refused === undefined ? undefined : html`open`}>
    <summary>Keep this search</summary>
    <form method="post" action="/views" class="keep">
      <input type="hidden" name="csrf" value="${formToken}" />
      <input type="hidden" name="query" value="${q}" />
      <label for="view-name">Name</label>
      <input id="view-name" name="name" required maxlength="80" autocomplete="off" />
      ${
        groups.length === 0
          ? undefined
          : html`<label for="view-group">Share with</label>
              <select id="view-group" name="group">
                <option value="">nobody</option>
                ${groups.map((group) => html`<option value="${group}">${group}</option>`)}
              </select>`
      }
      ${
        channels.length === 0
          ? undefined
          : html`<label for="view-channel">Tell a channel of what matches from now on</label>
              <select id="view-channel" name="channel">
                <option value="">none</option>
                ${channels.map((channel) => html`<option value="${channel}">${channel}</option>`)}
              </select>`
      }
      <p class="act"><button>Keep</button></p>
    </form>
  </details>`;
}

export function searchPage(view: SearchView): Page {
  const { q, problems, refused, page } = view;
  return {
    title: q === '' ? 'Records' : `Records: ${q}`,
    at: 'records',
    styles: ['search.css'],
    body: html`<h1>Records</h1>
      ${kept(view)} ${form(view)}
      ${problems.length > 0 ? alert(problems.map(told).join(' ')) : alert(refused)}
      ${page ? results(view) : undefined} ${keep(view)}
      ${
        view.channels.length === 0
          ? undefined
          : html`<nav class="pager" aria-label="Beside records">
              <a href="/incidents">Incidents</a>
            </nav>`
      }`,
  };
}

/** Views that the person keeps, and those that others share with them. */
export function viewsPage(views: readonly View[], email: string, formToken: string): Page {
  return {
    title: 'Views',
    at: 'records',
    styles: ['search.css'],
    body: html`<h1>Views</h1>
      <p>Searches that are kept. Whoever opens one finds what they may see themselves.</p>
      ${
        views.length === 0
          ? html`<p class="empty">None yet. Search, then choose “Keep this search”.</p>`
          : html`<ul class="cards">
              ${views.map((view) => viewItem(view, email, formToken))}
            </ul>`
      }
      <p><a href="/records">Search</a></p>`,
  };
}

function viewItem(view: View, email: string, formToken: string): Html {
  const { id, name, owner, query, groups, channel } = view;
  return html`<li class="card">
    <h2><a href="${href('/records', { q: query })}">${name}</a></h2>
    <p class="meta">
      <span>${owner === email ? 'yours' : `of ${owner}`}</span>
      ${groups.length === 0 ? undefined : html`<span>shared with ${groups.join(', ')}</span>`}
      ${channel === undefined ? undefined : html`<span>tells ${channel}</span>`}
    </p>
    <pre class="statement small">${query === '' ? 'everything' : query}</pre>
    ${
      owner === email
        ? html`<form method="post" action="/views/${id}/forget">
            <input type="hidden" name="csrf" value="${formToken}" />
            <button class="quiet">Forget ${name}</button>
          </form>`
        : undefined
    }
  </li>`;
}
