import { rules } from '#src/mask/detectors/all.ts';

/** What docs/masking.md says of the kinds, in Markdown. */
export function kindTable(): string {
  const kinds = [...new Set(rules.map(({ kind }) => kind))];
  const rows = kinds.map((kind) => {
    const of = rules.filter((rule) => rule.kind === kind);
    const when = of.some(({ optIn }) => optIn) ? 'only when named' : 'by default';
    const abouts = of.map(({ id, about }) => `${about} (${id})`);
    return `| \`${kind}\` | ${when} | ${abouts.join('; ').replaceAll('|', '\\|')} |`;
  });
  return [
    `${rules.length} rules.`,
    '',
    '| kind | looked for | what |',
    '| --- | --- | --- |',
    ...rows,
  ].join('\n');
}
