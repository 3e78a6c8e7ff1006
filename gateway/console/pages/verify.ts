import type { LogState } from '#src/audit/tree/log-state.ts';
import { html, type Html } from '../html.ts';
import { alert, type Page } from '../layout.ts';
import { duration, when } from '../words.ts';
import type { Checked } from '../../verify.ts';
import type { Run } from '#src/audit/verification.ts';
import { checkedPanel } from './verify-result.ts';
import { runPanel } from './verify-run.ts';

export type VerifyView = {
  readonly state: LogState;
  /** Enough cosignatures to be witnessed; 0 when nobody is asked. */
  readonly formToken: string;
  /** The reader may see every record, and so what was found, and may have the whole log verified. */
  readonly all: boolean;
  readonly run: Run | undefined;
  readonly publicUrl: string;
  /** The log's files are served here. */
  readonly served: boolean;
  readonly checked?: Checked | undefined;
  readonly problem?: string | undefined;
  /** What was typed, to be seen again beside a problem. */
  readonly typed?: string | undefined;
};

/** The log's state, what can be checked here, and how it is checked without us. */
export function verifyPage(view: VerifyView): Page {
  const { state, formToken, typed = '' } = view;
  return {
    title: 'Verify',
    at: 'verify',
    scripts: ['verify.js'],
    styles: ['verify.css'],
    body: html`<h1>Verify</h1>
      ${alert(view.problem)} ${view.checked && checkedPanel(view.checked)}
      <section aria-labelledby="state">
        <h2 id="state">The log now</h2>
        ${stateList(state)} ${view.all ? findings(state) : undefined}
      </section>
      <section aria-labelledby="check">
        <h2 id="check">Check a proof or a checkpoint</h2>
        <form
          class="check"
          method="post"
          action="/verify/check"
          enctype="multipart/form-data"
          autocomplete="off"
        >
          <input type="hidden" name="csrf" value="${formToken}" />
          <label for="text">Proof file, checkpoint, or the id of a record</label>
          <p class="help" id="text-help">
            A proof is what a record’s page gives (.tlog-proof); a checkpoint is what was posted in
            chat or committed to git.
          </p>
          <textarea id="text" name="text" rows="6" spellcheck="false" aria-describedby="text-help">
${typed}</textarea>
          <label for="file">Or a file</label>
          <input id="file" name="file" type="file" />
          <div class="buttons"><button class="primary">Check</button></div>
        </form>
      </section>
      ${view.all ? runPanel(view.run, formToken) : undefined} ${byYourself(view)}`,
  };
}

const count = (records: number): string => records.toLocaleString('en');
const fact = (name: string, value: Html | string): Html =>
  html`<dt>${name}</dt>
    <dd>${value}</dd>`;

function stateList({ size, waiting, checkpoint, witnessed, anchors }: LogState): Html {
  const signed = checkpoint?.size ?? 0;
  return html`<dl class="facts">
    ${fact('In the tree', html`${count(size)} records${behind(waiting)}`)}
    ${fact('Signed', checkpoint ? html`${count(signed)}${behind(size - signed)}` : 'nothing yet')}
    ${
      checkpoint &&
      fact(
        'Last checkpoint',
        html`${when(checkpoint.at)}, by
        ${checkpoint.signers.map((name, at) => html`${at > 0 ? ', ' : ''}<code>${name}</code>`)}`,
      )
    }
    ${checkpoint && fact('Root', html`<code>${checkpoint.root}</code>`)}
    ${
      witnessed === undefined
        ? fact('Witnessed', 'nothing yet')
        : fact('Witnessed', html`${count(witnessed)}${behind(size - witnessed)}`)
    }
    ${
      anchors.length === 0
        ? fact('Anchored', 'no anchor is configured')
        : anchors.map((anchor) => fact(`Anchor ${anchor.place}`, anchorText(anchor, size)))
    }
  </dl>`;
}

const behind = (records: number): Html | undefined =>
  records > 0 ? html` <span class="soft">${count(records)} more wait</span>` : undefined;

function anchorText(anchor: LogState['anchors'][number], size: number): Html {
  const laid =
    anchor.size === undefined || anchor.at === undefined
      ? html`nothing yet`
      : html`${count(anchor.size)} at ${when(anchor.at)}${behind(size - anchor.size)}
        ${anchor.reference === undefined ? '' : html`<code>${anchor.reference}</code>`}`;
  return anchor.problem === undefined
    ? laid
    : html`${laid}
        <p class="help">
          Not laid down for ${duration(anchor.age * 1_000)}; it is tried again. ${anchor.problem}
        </p>`;
}

const findings = ({ findings: found }: LogState): Html | undefined =>
  found.length === 0
    ? undefined
    : html`<div class="note warn" role="note">
        <p>Found without looking further; have the whole log verified.</p>
        <ul>
          ${found.map((one) => html`<li>${one}</li>`)}
        </ul>
      </div>`;

function byYourself({ publicUrl, served }: VerifyView): Html {
  const files = served ? `${publicUrl}/log` : './log';
  return html`<section aria-labelledby="yourself">
    <h2 id="yourself">Without us</h2>
    <p>
      Whoever runs this page could make it say anything. An auditor gets the
      <a href="/verify/trust" download="trust">trust file</a> once, by a way of their own, and needs
      nothing else of ours:
    </p>
    <pre class="statement small" tabindex="0" data-copy>
${[
  'countersign audit verify --proof record.tlog-proof --trust trust',
  ...(served ? [] : ['countersign audit mirror ./log']),
  `countersign audit verify --tiles ${files} --trust trust`,
  `countersign audit anchors --checkpoint checkpoint --tiles ${files} --trust trust`,
].join('\n')}</pre>
    <p class="help">
      The formats are C2SP’s and RFC 6962’s: Go’s <code>sumdb</code>, transparency-dev’s tools and
      Tessera’s <code>fsck</code> verify the same files, as docs/audit.md shows.
    </p>
  </section>`;
}
