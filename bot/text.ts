export { oneLine, visible } from '#src/mask/visible.ts';

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
