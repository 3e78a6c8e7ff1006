import { FACETS, type Counts, type FacetName } from '#src/audit/search/counts.ts';
import { href } from '../filters.ts';
import { html, type Html, type Part } from '../html.ts';
import { kindName } from '../words.ts';

const WIDTH = 1_000;
const HEIGHT = 100;

const number = (count: number): string => count.toLocaleString('en');

/** `2026-11-20 14:00`, without the time where bins are whole days. */
const moment = (iso: string, binMs: number): string =>
  binMs % 86_400_000 === 0 ? iso.slice(0, 10) : iso.slice(0, 16).replace('T', ' ');

/** Bars that lead to their time, and the same as a table for whoever does not see them. */
export function histogram(q: string, { histogram: { bins, binMs }, total }: Counts): Html {
  const most = Math.max(1, ...bins.map(({ count }) => count));
  const step = WIDTH / Math.max(1, bins.length);
  const bar = ({ at, count }: Counts['histogram']['bins'][number], i: number): Part => {
    if (count === 0) return undefined;
    const height = Math.max(2, (count / most) * HEIGHT);
    return html`<rect
      x="${(i * step).toFixed(2)}"
      y="${(HEIGHT - height).toFixed(2)}"
      width="${Math.max(1, step - 2).toFixed(2)}"
      height="${height.toFixed(2)}"
      ><title>${moment(at, binMs)}: ${number(count)}</title></rect
    >`;
  };
  const [first, last] = [bins[0], bins.at(-1)];
  return html`<section class="over-time" aria-labelledby="when">
    <h2 id="when">Over time <span class="count">${number(total)}</span></h2>
    <svg
      viewBox="0 0 ${WIDTH} ${HEIGHT}"
      preserveAspectRatio="none"
      role="img"
      aria-label="${number(total)} found over time; the table below has the numbers"
    >
      ${bins.map(bar)}
    </svg>
    <p class="ends help">
      <span>${first && moment(first.at, binMs)}</span
      ><span>${last && moment(last.at, binMs)} UTC</span>
    </p>
    <details>
      <summary>As a table</summary>
      <div class="counts" tabindex="0" role="region" aria-label="Found over time">
        <table>
          <thead>
            <tr>
              <th scope="col">From (UTC)</th>
              <th scope="col">Found</th>
            </tr>
          </thead>
          <tbody>
            ${bins
              .filter(({ count }) => count > 0)
              .map(
                ({ at, count }) =>
                  html`<tr>
                    <th scope="row"><a href="${within(q, at, binMs)}">${moment(at, binMs)}</a></th>
                    <td>${number(count)}</td>
                  </tr>`,
              )}
          </tbody>
        </table>
      </div>
    </details>
  </section>`;
}

/** The same search in one bin; times of its own are taken out. */
function within(q: string, at: string, binMs: number): string {
  const rest = q.replaceAll(/(?<=^|\s)(?:after|before):\S+/giu, '').trim();
  const to = new Date(Date.parse(at) + binMs).toISOString();
  return href('/records', { q: `${rest} after:${at} before:${to}`.trim() });
}

const NAMES: Readonly<Record<FacetName, string>> = {
  target: 'Target',
  person: 'Person',
  verdict: 'Verdict',
  effect: 'Effect',
  kind: 'Kind',
  table: 'Table',
};
const SHOWN = 8;

/** What was found by its facts; each narrows the search to it. */
export function facetLists(q: string, { facets, since }: Counts): Html {
  return html`<aside class="facets" aria-label="Narrow by">
    ${
      since === undefined
        ? undefined
        : html`<p class="help">
            Counted since ${since.slice(0, 16).replace('T', ' ')} UTC: there is more.
          </p>`
    }
    ${FACETS.map((name) => {
      const values = facets[name].slice(0, SHOWN);
      if (values.length === 0) return undefined;
      return html`<section aria-labelledby="by-${name}">
        <h3 id="by-${name}">${NAMES[name]}</h3>
        <ul>
          ${values.map(
            ({ value, count }) =>
              html`<li>
                <a href="${href('/records', { q: `${q} ${term(name, value)}`.trim() })}"
                  >${name === 'kind' ? kindName(value) : value}</a
                >
                <span class="number">${number(count)}</span>
              </li>`,
          )}
        </ul>
      </section>`;
    })}
  </aside>`;
}

/** A value as the query language takes it: quoted, so that nothing in it is read as more. */
function term(name: FacetName, value: string): string {
  const plain = /^[\p{L}\d.@_+-]+$/u.test(value);
  return `${name}:${plain ? value : `"${value.replaceAll(/["\\]/g, String.raw`\$&`)}"`}`;
}
