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

/** The same on one line, so that a name or a reason cannot look like further lines of what it stands in. */
export function oneLine(text: string): string {
  return visible(text).replace(/\s*\n\s*/g, ' ⏎ ');
}
