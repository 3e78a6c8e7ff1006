// What a reader cannot see, or takes for a blank: controls, formats (bidi, zero width, tags), separators, odd spaces (in
// SQL a no-break space is a letter of a name), unpaired surrogates, blank letters and variation selectors.
const UNSEEN =
  /(?! )[\p{Cc}\p{Cf}\p{Zs}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}\u2800]/gu;

/** Text as it is, with everything that hides or reorders it shown by code point. Keeps line breaks and tabs. */
export function visible(text: string): string {
  return text.replace(UNSEEN, (sign) => {
    if (sign === '\n' || sign === '\t') return sign;
    const point = sign.codePointAt(0) ?? 0;
    return `⟨U+${point.toString(16).toUpperCase().padStart(4, '0')}⟩`;
  });
}

/** The same on one line, so that a name or a reason cannot look like further lines of a card. */
export function oneLine(text: string): string {
  return visible(text).replace(/\s*\n\s*/g, ' ⏎ ');
}

/** `cut` counts the characters that did not fit; whoever shows the text must say so. */
export function fit(text: string, max: number): { readonly text: string; readonly cut: number } {
  const signs = Array.from(text);
  if (signs.length <= max) return { text, cut: 0 };
  return { text: signs.slice(0, max).join(''), cut: signs.length - max };
}

/** `1.5 s`, `2 min`: a duration as people say it. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 90_000) return `${Number((ms / 1_000).toFixed(1))} s`;
  if (ms < 5_400_000) return `${Math.round(ms / 60_000)} min`;
  return `${Number((ms / 3_600_000).toFixed(1))} h`;
}
