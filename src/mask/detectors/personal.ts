import { cards } from './cards.ts';
import { digitsOf } from './checksums.ts';
import { iban, ibanCountries } from './iban.ts';
import { isNational, hasCallingCode } from './phone.ts';
import { any, none, only, type Range, type Rule } from './rule.ts';

const localPart = /[\p{L}\p{N}._%+-]/u;
/** What domains are made of: letters and digits of any script, hyphens. Not what only separates, in ASCII or beyond it. */
const domainPart = '[^\\x00-,./:-@[-`{-\u00bf\u2000-\u2bff\u3000-\u303f\ufe30-\uff20]';
const inDomain = new RegExp(domainPart, 'u');

/** An address begins before its `@` and goes on behind its first dot, as far as there are characters that it may have. */
function address(text: string, at: number, end: number): readonly Range[] {
  let start = at;
  while (start > 0 && localPart.test(text[start - 1] ?? '')) start -= 1;
  let to = end;
  const goesOn = (index: number): boolean =>
    index < text.length && inDomain.test(text[index] ?? '');
  while (goesOn(to) || (text[to] === '.' && goesOn(to + 1))) to += 1;
  // Versions (`pkg@1.2.3`) and images (`logo@2x.png`) are no addresses.
  const last = text.slice(Math.max(at, to - 80), to);
  return start === at || /^@\dx\.\w+$|\.\d+$/.test(last) ? none : only(start, to);
}

/** The digits up to where a group ends, when more follow than a number has. */
function wholeGroups(text: string, start: number, end: number): readonly Range[] {
  if (text[start - 1] === '+' || text[start - 1] === '_') return none;
  let to = end;
  if (/\d/.test(text[to] ?? '')) {
    while (/\d/.test(text[to - 1] ?? '')) to -= 1;
    while (/[ ().-]/.test(text[to - 1] ?? '')) to -= 1;
  }
  return digitsOf(text.slice(start, to)).length < 8 ? none : only(start, to);
}

function widened(allowed: RegExp, most: number): NonNullable<Rule['reach']> {
  return (text, start, end) => {
    let from = start;
    while (from > 0 && start - from <= most && allowed.test(text[from - 1] ?? '')) from -= 1;
    let to = end;
    while (to < text.length && to - end <= most && allowed.test(text[to] ?? '')) to += 1;
    return only(from, to);
  };
}

const month = '(?:jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])[a-z]{0,6}\\.?';
const date = `(?:[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[-/.][0-9]{1,2}[-/.](?:[0-9]{4}|[0-9]{2})|[0-9]{1,2}\\.? ${month} [0-9]{4}|${month} [0-9]{1,2},? [0-9]{4})`;

/** RFC 4291, section 2.2: eight groups, or fewer around one `::`. */
function isIPv6(value: string): boolean {
  const [head = '', tail, more] = value.split('::');
  if (more !== undefined) return false;
  const groups = [head, tail ?? ''].flatMap((part) => (part === '' ? [] : part.split(':')));
  return (
    groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group)) &&
    (tail === undefined ? groups.length === 8 : groups.length < 8)
  );
}

const octets = (value: string): boolean =>
  value.split('.').every((part) => Number(part) < 256 && (part === '0' || !part.startsWith('0')));

export const personal: readonly Rule[] = [
  {
    id: 'email',
    kind: 'email',
    about: 'E-mail address, in any script',
    literals: ['@'],
    pattern: `@${domainPart}{1,63}\\.${domainPart}`,
    before: 'address',
    reach: address,
    hits: ['a@b.c', 'ann.o+x@mail.example.com', 'jürgen@bücher.example', 'иван@почта.рф'],
    misses: ['b@c', '@example.com', 'left-pad@1.3.0', 'logo@2x.png', 'a @ b.c'],
  },
  {
    id: 'phone-international',
    kind: 'phone',
    about: 'Phone number with `+` and a country calling code that is in use',
    literals: any('+000|+0 0|+0 (|+0(0|+0-0|+0.0|+00 0|+00 (|+00(0|+00-0|+00.0'),
    pattern: '\\+[0-9](?:[ ().-]{0,2}[0-9]){7,14}',
    reach: wholeGroups,
    valid: hasCallingCode,
    hits: ['+49 (30) 123-4567', '+14155550123', '+12345678', 'tel:+81-3-1234-5678'],
    misses: ['+1 234', '+00', 'a+12345678', '+999 20261120', '+12345678901234567890'],
  },
  {
    id: 'phone-north-american',
    kind: 'phone',
    about: 'North American number written `(area) exchange-number`',
    literals: ['(000) 000', '(000)000'],
    pattern: '\\([2-9][0-9]{2}\\) ?[2-9][0-9]{2}[-. ][0-9]{4}\\b',
    valid: (value) => isNational(value, ['US', 'CA']),
    hits: ['(415) 555-2671', 'call (212)555-7890 now'],
    misses: ['(123) 456-7890', '(415) 555-26711', '(415) 55-2671'],
  },
  {
    id: 'phone-context',
    kind: 'phone',
    about: 'National number after a word for phone, valid in one of the larger countries',
    literals: any(
      'phone|tel|mobile|mobil|cell|fax|handy|whatsapp|msisdn|movil|móvil|celular|portable|sms|call|rufnummer',
    ),
    pattern:
      '(?i)(?:phone|tel|mobile?|cell|fax|handy|whatsapp|msisdn|m[oó]vil|celular|portable|sms|call|rufnummer)' +
      '(?:phone|efonnummer|[ée]phone|ef[oó]no?|efone|nummer)?(?:[ _-]?(?:number|num|no|nr))?["\'.:=#> \\t]{1,5}' +
      '(\\(?[0-9](?:[ ()./-]{0,2}[0-9]){6,13})\\b',
    valid: (value) => isNational(value),
    hits: [
      'phone: 030 1234567',
      'Tel. 01 42 68 53 00',
      '"mobile":"07400 123456"',
      'call 415-555-2671',
    ],
    misses: ['phone: 12', 'hotel 030 1234567', 'call 2026-11-20 21:08', 'phone model 3310'],
  },
  {
    id: 'card',
    kind: 'card',
    about: 'Payment card: number range and length of an issuer, Luhn sum; grouped in any way',
    literals: 'digits',
    pattern: '[0-9](?:[ .-]?[0-9]){12,18}',
    reach: cards,
    hits: [
      '4111 1111 1111 1111',
      '2024 4111111111111111',
      '378282246310005',
      '5500-0000-0000-0004',
      '6011000990139424',
      '3530111333300000',
      '30569309025904',
      '4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1',
      '6200000000000005',
      '2223003122003222',
    ],
    misses: ['4111 1111 1111 1112', '1763674200000000', '9111111111111111', '41111111111111111'],
  },
  {
    id: 'iban',
    kind: 'iban',
    about: 'International bank account number: length of its country, modulo 97',
    literals: ibanCountries.map((country) => `${country}00`),
    pattern: '(?i)[A-Z]{2}[0-9]{2}[ -]?[A-Z0-9]',
    reach: iban,
    hits: [
      'DE89 3704 0044 0532 0130 00',
      'gb82west12345698765432',
      'FR14-2004-1010-0505-0001-3M02-606',
    ],
    misses: ['DE89370400440532013001', 'DE89 3704 0044', 'XX89370400440532013000'],
  },
  {
    id: 'birth-date',
    kind: 'birth-date',
    about: 'Date after a word for birth, in seven languages',
    literals: any(
      'dob|date of birth|date_of_birth|date-of-birth|dateofbirth|birth|born|geburt|geboren|geb.|né le|née le|naissance|nacimiento|nascita|nascimento',
    ),
    pattern:
      '(?i)(?:dob|date[ _-]?of[ _-]?birth|birth[ _-]?da(?:te|y)|born(?: on)?|geburts(?:tag|datum)|geboren(?: am)?|geb\\.|née? le|' +
      `naissance|nacimiento|nascita|nascimento)["' \\t:=>#]{1,5}(${date})\\b`,
    hits: [
      'born on 12 May 1980',
      '"date_of_birth": "1980-05-12"',
      'geboren am 12.05.1980',
      'DOB: 05/12/80',
    ],
    misses: ['newborn 3', 'born in 1980', 'released 1980-05-12', 'birth rate: 12.4'],
  },
  {
    id: 'passport',
    kind: 'passport',
    about: 'Passport number after the word',
    literals: ['passport', 'reisepass', 'passeport', 'pasaporte', 'passaporto', 'passaporte'],
    pattern:
      '(?i)(?:passport|reisepass|passeport|pasaporte|passaport[oe])(?:nummer|[ _-]?(?:number|num|no|nr))?["\'.:=#> \\t]{1,5}' +
      '([A-Z]{0,2}[0-9][A-Z0-9]{5,8})\\b',
    valid: (value) => value.replace(/\D/g, '').length >= 5,
    hits: ['passport no. X1234567', 'Passport: 533380006', '"passport_number": "C01X00T47"'],
    misses: ['passport office 12', 'passport: required', 'passport 1234'],
  },
  {
    id: 'passport-mrz',
    kind: 'passport',
    about: 'The two machine-readable lines of a passport (ICAO 9303, TD3)',
    literals: ['p<'],
    pattern:
      'P<[A-Z<]{3}[A-Z]{1,38}<[A-Z<]{0,39}\\r?\\n?[A-Z0-9<]{9}[0-9][A-Z<]{3}[0-9]{7}[MFX<][0-9]{7}[A-Z0-9<]{14}[0-9<][0-9]',
    hits: [
      'P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10',
    ],
    misses: ['P<UTOERIKSSON<<ANNA', 'PPPP<PPP'],
  },
  {
    id: 'ipv4',
    kind: 'ip',
    about: 'IPv4 address',
    literals: ['0.0'],
    pattern: '[0-9]{1,3}(?:\\.[0-9]{1,3}){3}\\b',
    before: 'anything',
    reach: (text, start, end) =>
      text[end] === '.' && /\d/.test(text[end + 1] ?? '') ? none : leading(text, start, end),
    valid: octets,
    optIn: true,
    hits: ['10.20.30.40', 'from 192.168.0.1:5432'],
    misses: ['1.2.3', '256.1.1.1', '1.2.3.4.5', '01.2.3.4'],
  },
  {
    id: 'ipv6',
    kind: 'ip',
    about: 'IPv6 address',
    literals: [':'],
    pattern: ':[0-9A-Fa-f:]',
    before: 'anything',
    reach: widened(/[0-9A-Fa-f:.]/, 45),
    valid: (value) => value.length > 4 && isIPv6(value.replace(/\.$/, '')),
    optIn: true,
    hits: ['2001:db8::1', 'fe80::1ff:fe23:4567:890a'],
    misses: ['12:30:45', 'a::b::c', '::', 'std::vector'],
  },
  {
    id: 'mac',
    kind: 'mac',
    about: 'Hardware address of a network interface',
    literals: [':', '-'],
    pattern: '[:-][0-9A-Fa-f]{2}',
    before: 'anything',
    reach: widened(/[0-9A-Fa-f:-]/, 30),
    valid: (value) => /^(?:(?:[0-9a-f]{2}:){5}|(?:[0-9a-f]{2}-){5})[0-9a-f]{2}$/i.test(value),
    optIn: true,
    hits: ['00:1A:2b:3c:4d:5e', '00-1A-2B-3C-4D-5E'],
    misses: ['12:30:45', '00:1A:2b:3c:4d:5e:6f', '00:1A:2b:3c:4d:5g'],
  },
];

/** Up to two digits that stand before the last digit of the first octet. */
function leading(text: string, start: number, end: number): readonly Range[] {
  let from = start;
  while (from > 0 && start - from < 4 && /[\d.]/.test(text[from - 1] ?? '')) from -= 1;
  return /^\d{1,3}(?:\.\d{1,3}){3}$/.test(text.slice(from, end)) ? only(from, end) : none;
}
