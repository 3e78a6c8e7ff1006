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
      if (digits.length >= 14 && digits.length <= 19 && luhn(digits) && issued(digits))
        found.push([start + first.index, start + group.index + group[0].length]);
    }
  }
  return found;
}
