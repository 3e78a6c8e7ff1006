import { mod97 } from './checksums.ts';
import { none, only, type Range } from './rule.ts';

/** Lengths by country, from the SWIFT registry. */
const lengths = new Map(
  (
    'AD24AE23AL28AT20AZ28BA20BE16BG22BH22BR29BY28CH21CR22CY28CZ24DE22DK18DO28EE20EG29ES24FI18FO18FR27GB22GE22GI23' +
    'GL18GR27GT28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MR27MT31MU30' +
    'NL18NO15PK24PL28PS29PT25QA29RO24RS22SA24SC31SE24SI19SK24SM27ST25SV28TL23TN24TR26UA29VA22VG24XK20'
  )
    .match(/.{4}/g)
    ?.map((one) => [one.slice(0, 2), Number(one.slice(2))]),
);

export const ibanCountries: readonly string[] = [...lengths.keys()];

const isSeparator = (code: number): boolean => code === 0x20 || code === 0x2d;
const isWord = (code: number): boolean =>
  (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122);

/** As many characters as the country's numbers have, so that the next number beside it is found too. */
export function iban(text: string, start: number): readonly Range[] {
  const length = lengths.get(text.slice(start, start + 2).toUpperCase()) ?? 0;
  let count = 0;
  let to = start;
  for (; to < text.length && count < length; to += 1) {
    const code = text.charCodeAt(to);
    if (isWord(code)) count += 1;
    // One blank or hyphen between groups, so that what is read is at most twice as long as the number.
    else if (!isSeparator(code) || isSeparator(text.charCodeAt(to - 1))) return none;
  }
  // Digits of a hash go on.
  if (length === 0 || count !== length || isWord(text.charCodeAt(to))) return none;
  const compact = text.slice(start, to).replace(/[ -]/g, '');
  return mod97(compact.slice(4) + compact.slice(0, 4)) === 1 ? only(start, to) : none;
}
