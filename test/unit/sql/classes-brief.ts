import type { Analysis, Part } from '#src/statement/sql/analysis.ts';
import { brief } from './target.ts';

/** What rules are asked about one statement of the corpus, and what approvers read of it; one line each. */
export function inFull(analysis: Analysis): readonly string[] {
  if (analysis.refused) return [brief(analysis), `: ${analysis.refused.message}`];
  const shown = analysis.masker((column) => column.path[3] === 'ssn')();
  return [
    `${brief(analysis)}${analysis.parts.map((part) => more(part)).join('')}`,
    ...shown.words.map((words) => `: ${words}`),
  ];
}

function more({ effect }: Part): string {
  const flows = [...new Set(effect.flows ?? [])].map(({ path }) => path.slice(2).join('.'));
  return [
    effect.escapes ? ` ^ ${effect.escapes.join(' ')}` : '',
    flows.length > 6
      ? ` ~ ${flows.length} columns`
      : flows.length > 0
        ? ` ~ ${flows.join(' ')}`
        : '',
  ].join('');
}
