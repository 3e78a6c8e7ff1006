import { luhn } from './checksums.ts';
import type { Range } from './rule.ts';

/** Number ranges by their first digits, and the lengths that are issued in them (ISO/IEC 7812, the networks' own pages). */
const issuers: readonly (readonly [RegExp, readonly number[]])[] = [
  [/^4/, [16, 19]],
  [/^(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/, [16]],
  [/^3[47]/, [15]],
  [/^(?:6011|64[4-9]|65)/, [16, 17, 18, 19]],
  [/^35(?:2[89]|[3-8])/, [16, 17, 18, 19]],
  [/^(?:30[0-5]|3095|36|3[89])/, [14, 15, 16, 17, 18, 19]],
  [/^(?:62|81)/, [16, 17, 18, 19]],
  [/^(?:5018|5020|5038|5893|6304|6759|676[1-3])/, [16, 17, 18, 19]],
  [/^(?:60|6521|508|8[12])/, [16]],
  [/^220[0-4]/, [16, 17, 18, 19]],
];

const issued = (digits: string): boolean =>
  issuers.some(([begins, lengths]) => lengths.includes(digits.length) && begins.test(digits));

/** Card numbers in a run of digits: any neighbouring groups that together are one. */
export function cards(text: string, start: number, end: number): Range[] {
  const groups = [...text.slice(start, end).matchAll(/\d+/g)];
  const found: Range[] = [];
  for (const [index, first] of groups.entries()) {
    if (!/^[2-68]/.test(first[0])) continue;
    let digits = '';
    for (let next = index; next < groups.length && digits.length < 20; next += 1) {
      const group = groups[next];
      if (!group) break;
      digits += group[0];
      if (digits.length < 14 || digits.length > 19 || !luhn(digits) || !issued(digits)) continue;
      const range: Range = [start + first.index, start + group.index + group[0].length];
      if (!isOfAnother(text, range)) found.push(range);
    }
  }
  return found;
}

/** True for digits of a hash, a UUID or a fraction. */
function isOfAnother(text: string, [start, end]: Range): boolean {
  const before = /[\dA-Za-z-]*$/.exec(text.slice(Math.max(0, start - 40), start))?.[0] ?? '';
  const after = /^[\dA-Za-z-]*/.exec(text.slice(end, end + 40))?.[0] ?? '';
  const around = before + text.slice(start, end) + after;
  if (/^[\da-f-]*$/i.test(around) && /[a-f]/i.test(around)) return true;
  if (/^\d{8}-\d{4}-\d{4}-\d{4}-\d{12}$/.test(around)) return true;
  return (
    /\d\.$/.test(text.slice(Math.max(0, start - 2), start)) && !/\D/.test(text.slice(start, end))
  );
}
