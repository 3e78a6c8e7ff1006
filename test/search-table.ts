import { QUALIFIERS, TIMES, type Qualifier } from '#src/audit/search/words.ts';

/** The table of qualifiers in docs/search.md. */
export function referenceTable(): string {
  const all: Readonly<Record<string, Pick<Qualifier, 'about' | 'example' | 'words'>>> = {
    ...QUALIFIERS,
    ...TIMES,
  };
  const rows = Object.entries(all).map(([name, { about, example, words }]) => {
    const one = words ? ` One of ${words.map((word) => `\`${word}\``).join(', ')}.` : '';
    return `| \`${name}:\` | ${about}${one} | \`${example}\` |`;
  });
  return ['| qualifier | what it looks at | such as |', '|---|---|---|', ...rows].join('\n');
}
