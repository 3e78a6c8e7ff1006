import type { RulesState } from '../../reload.ts';
import { html, type Html } from '../html.ts';
import { when } from '../words.ts';

const list = (problems: readonly string[]): Html =>
  html`<ul>
    ${problems.map((problem) => html`<li>${problem}</li>`)}
  </ul>`;

function rulesFail(rules: RulesState): Html | undefined {
  if (rules.since === undefined) return undefined;
  return html`<p>
      The rules on disk do not load since ${when(rules.since)}. The rules of
      ${when(rules.loadedAt)}, version ${rules.version.slice(0, 12)}, are in force.
    </p>
    ${list(rules.problems)}`;
}

function configurationFails({ configuration }: RulesState): Html | undefined {
  if (configuration.length === 0) return undefined;
  return html`<p>The configuration on disk cannot be used. The one from before is in force.</p>
    ${list(configuration)}`;
}

function namesMissing({ missing = [] }: RulesState): Html | undefined {
  if (missing.length === 0) return undefined;
  return html`<p>
      The rules name what a target does not have. It was dropped or renamed there; correct the
      rules.
    </p>
    ${list(missing)}`;
}

/** For those who decide: what is asked of them follows from something older than what is on disk. */
export function rulesBanner(rules: RulesState | undefined): Html | undefined {
  if (!rules) return undefined;
  const parts = [rulesFail(rules), configurationFails(rules), namesMissing(rules)];
  if (parts.every((part) => part === undefined)) return undefined;
  return html`<section class="note warn" aria-label="Rules and configuration">${parts}</section>`;
}
