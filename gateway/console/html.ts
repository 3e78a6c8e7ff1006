/** Markup that is safe to send. Only `html` makes it, and everything put into it is escaped. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export type Part = Html | string | number | undefined | readonly Part[];

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

// Controls, formats (bidi, zero width, tags), separators, odd spaces, unpaired surrogates, and blanks that are letters.
const UNSEEN =
  /(?![ \n\t])(?:[\p{Cc}\p{Cf}\p{Zs}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]|\u2800)/gu;

const codePoint = (character: string): string =>
  `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;

/** Characters that would change what a reader sees, without being seen, are written as their code points. */
export function visible(text: string): string {
  return text
    .replaceAll('\r\n', '\n')
    .replaceAll(UNSEEN, (character) => `‹${codePoint(character)}›`);
}

/** Code points outside ASCII that are seen, each once, at most `limit`: letters that look like others. */
export function lookalikes(text: string, limit = 8): readonly string[] {
  const found = new Set<string>();
  for (const character of text.replaceAll(UNSEEN, ''))
    if (character > '\u007e') found.add(codePoint(character));
  return [...found].slice(0, limit);
}

function render(part: Part): string {
  if (part === undefined) return '';
  if (part instanceof Html) return part.text;
  if (typeof part === 'number') return String(part);
  if (typeof part === 'string')
    return visible(part).replaceAll(/[&<>"']/gu, (character) => ENTITIES[character] ?? '');
  return part.map(render).join('');
}

/** Attributes must be quoted: `html\`<a href="${url}">${name}</a>\``. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(
    strings.map((text, i) => text + (i < parts.length ? render(parts[i]) : '')).join(''),
  );
}
