import { oneLine } from '../text.ts';

/**
 * For the few places that Slack reads as mrkdwn: `& < >` by its own rule (which disarms mentions and links), and signs
 * that look the same in place of those that would begin code, bold, struck or slanted text, or an emoji.
 */
export function escapeMrkdwn(text: string): string {
  return (
    oneLine(text)
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('`', 'ˋ')
      .replaceAll('*', '∗')
      .replaceAll('~', '∼')
      .replaceAll(/(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, 'ˍ')
      // Not those of a time.
      .replaceAll(/(?:(?<!\d):|:(?!\d))(?=[\w+'-]+:)/g, '∶')
  );
}

/** One line of at most so many characters, never half of one, and never empty, which Slack refuses. */
export function label(text: string, max: number): string {
  const short = oneLine(text).slice(0, max);
  const whole = /[\uD800-\uDBFF]$/.test(short) ? short.slice(0, -1) : short;
  return whole.trim() === '' ? '-' : whole;
}

/** As `plain_text`, which Slack reads no markup in. */
export const words = (text: string, max: number) => ({
  type: 'plain_text' as const,
  text: label(text, max),
  emoji: false,
});

/** What notifications show; never cut within what stands for a sign. */
export const fallback = (text: string): string =>
  escapeMrkdwn(label(text, 1_000))
    .slice(0, 4_000)
    .replace(/&[a-z]{0,3}$/, '');
