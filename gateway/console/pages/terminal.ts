import type { RecordingInfo } from '#src/recording/port.ts';
import { html } from '../html.ts';
import type { Page } from '../layout.ts';
import { when } from '../words.ts';

/** A terminal, played as it was. */
export function terminalPage({ id, person, target, startedAt, state }: RecordingInfo): Page {
  const path = `/sessions/${id}`;
  const file = `/api/v1/sessions/${id}/recording`;
  const title = `${person} on ${target}`;
  return {
    title: `Terminal: ${title}`,
    at: 'sessions',
    styles: ['asciinema-player.css', 'session.css'],
    scripts: ['terminal.js'],
    player: true,
    body: html`<p class="eyebrow">
        <a href="${path}">Session</a> of ${when(startedAt.toISOString())}
      </p>
      <h1>${title}</h1>
      ${
        state === 'open'
          ? html`<p class="note">
              It goes on: reload to see what came, or follow it in a terminal with
              <code>countersign replay ${id} --follow</code>.
            </p>`
          : undefined
      }
      <div class="terminal">
        <section aria-label="Recording">
          <div id="player" class="screen" data-cast="${file}">
            <noscript>
              <p>
                The player needs JavaScript. Without it:
                <code>countersign replay ${id}</code>.
              </p>
            </noscript>
          </div>
          <div id="tools" class="tools" hidden>
            <label for="speed">Speed</label>
            <select id="speed">
              <option value="0.5">half</option>
              <option value="1" selected>as it was</option>
              <option value="2">twice</option>
              <option value="4">4 times</option>
              <option value="8">8 times</option>
            </select>
            <label for="idle" class="check"
              ><input id="idle" type="checkbox" checked /> Cut pauses</label
            >
            <a id="moment" href="?t=0">Link to 0:00</a>
            <a href="${file}" download="${id}.cast">Download</a>
          </div>
        </section>
        <aside>
          <form id="search" role="search">
            <label for="word">Search in what came out</label>
            <input
              id="word"
              type="search"
              maxlength="200"
              autocapitalize="none"
              autocomplete="off"
              spellcheck="false"
            />
            <p class="act"><button>Search</button></p>
            <p id="found" role="status"></p>
          </form>
          <ol id="hits" class="plain"></ol>
          <h2>Commands</h2>
          <p id="no-marks" class="soft">None are marked.</p>
          <ol id="marks" class="plain"></ol>
        </aside>
      </div>`,
  };
}
