import * as sum from './checksums.ts';
import { any, none, only, type Rule } from './rule.ts';

/** Between the name of a number and the number. */
const gap = '["\'.:=#> \\t]{1,5}';

/** Letters that stand before the digits where the literal was found. */
function lettersBefore(shape: RegExp): NonNullable<Rule['reach']> {
  return (text, start, end) => {
    const before = shape.exec(text.slice(Math.max(0, start - 8), start))?.[1];
    return before === undefined ? none : only(start - before.length, end);
  };
}

const dniLetters = Array.from('ABCDEFGHJKLMNPQRSTVWXYZ');
const codiceMonths = Array.from('ABCDEHLMPRST');
const codicePlaces = Array.from('ABCDEFGHIJKLMZ');

export const national: readonly Rule[] = [
  {
    id: 'us-ssn',
    kind: 'ssn',
    about:
      'US social security number, `123-45-6789`, of an area that is issued; ITIN, which stands in its place',
    literals: ['000-00-0000'],
    pattern: '[0-9]{3}-[0-9]{2}-[0-9]{4}\\b',
    valid: (value) => sum.ssn(value) || sum.itin(value),
    hits: ['123-45-6789', 'ssn=078-05-1120;', '912-70-1234'],
    misses: [
      '000-12-3456',
      '666-12-3456',
      '900-12-3456',
      '912-93-1234',
      '123-00-4567',
      '1123-45-6789',
      '123-45-67890',
    ],
  },
  {
    id: 'us-ssn-context',
    kind: 'ssn',
    about: 'US social security number written otherwise, after its name',
    literals: ['ssn', 'social security', 'social_security', 'social-security', 'socialsecurity'],
    pattern: `(?i)(?:ssn|social[ _-]?security)(?:[ _-]?(?:number|num|no|nr))?${gap}([0-9]{3}[ .-]?[0-9]{2}[ .-]?[0-9]{4})\\b`,
    valid: sum.ssn,
    hits: ['SSN: 123456789', 'social security number 123 45 6789'],
    misses: ['ssn: 12345678', 'ssn 000456789', 'session 123456789'],
  },
  {
    id: 'uk-nino',
    kind: 'national-id',
    about: 'UK national insurance number',
    literals: ['00 00 00', '000000a', '000000b', '000000c', '000000d'],
    pattern: '[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]\\b',
    before: 'letter',
    reach: lettersBefore(/(?:^|[^A-Za-z0-9-])([A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?)$/),
    valid: (value) => !/^(?:BG|GB|KN|NK|NT|TN|ZZ)/.test(value),
    hits: ['AB123456C', 'JG 10 37 59 A'],
    misses: ['QQ123456C', 'GB123456A', 'AB123456E', 'XAB123456C', 'AB12345C'],
  },
  {
    id: 'uk-nhs',
    kind: 'national-id',
    about: 'UK National Health Service number, after its name; check digit',
    literals: ['nhs', 'national health'],
    pattern: `(?i)(?:nhs|national health(?: service)?)(?:[ _-]?(?:number|num|no|nr))?${gap}([0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4})\\b`,
    valid: sum.nhs,
    hits: ['NHS number: 943 476 5919', '"nhs_number":"9434765919"'],
    misses: ['NHS number: 943 476 5918', 'nhs 1234'],
  },
  {
    id: 'fr-insee',
    kind: 'national-id',
    about: 'French social security number (NIR) with its key',
    literals: ['000000000000000', '0 00 00 00', '000000a', '000000b', '0 00 00 0a', '0 00 00 0b'],
    pattern:
      '[1278] ?[0-9]{2} ?(?:0[1-9]|1[0-2]|20) ?(?:[0-9]{2}|2[AB]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}\\b',
    valid: sum.insee,
    hits: ['255081416802538', '2 55 08 14 168 025 38', '1 80 05 2A 001 001 28'],
    misses: ['255081416802539', '2 55 08 14 168 025', '455081416802538'],
  },
  {
    id: 'es-dni',
    kind: 'national-id',
    about: 'Spanish DNI, and NIE of residents; check letter',
    literals: [
      ...dniLetters.flatMap((letter) => [`00000000${letter}`, `00000000-${letter}`]),
      ...any('x0000000|y0000000|z0000000|x-0000000|y-0000000|z-0000000'),
    ],
    pattern: '(?:[0-9]{8}|[XYZ]-?[0-9]{7})-?[A-HJ-NP-TV-Z]\\b',
    valid: sum.dni,
    hits: ['12345678Z', 'X1234567L', 'NIE Y-2345678-Z'],
    misses: ['12345678A', 'X1234567A', '112345678Z'],
  },
  {
    id: 'it-codice-fiscale',
    kind: 'tax-id',
    about: 'Italian codice fiscale; check letter',
    literals: codiceMonths.flatMap((month) =>
      codicePlaces.map((place) => `00${month}00${place}000`),
    ),
    pattern: '(?i)[0-9]{2}[ABCDEHLMPRST][0-9]{2}[A-MZ][0-9]{3}[A-Z]\\b',
    before: 'letter',
    reach: lettersBefore(/(?:^|[^A-Za-z0-9])([A-Za-z]{6})$/),
    valid: sum.codiceFiscale,
    hits: ['RSSMRA85T10A562S', 'rssmra85t10a562s'],
    misses: ['RSSMRA85T10A562T', 'RSSMR85T10A562S'],
  },
  {
    id: 'br-cpf',
    kind: 'tax-id',
    about: 'Brazilian CPF, `000.000.000-00`; two check digits',
    literals: ['000.000.000-00'],
    pattern: '[0-9]{3}\\.[0-9]{3}\\.[0-9]{3}-[0-9]{2}\\b',
    valid: sum.cpf,
    hits: ['529.982.247-25'],
    misses: ['529.982.247-26', '111.111.111-11', '529.982.247-2'],
  },
  {
    id: 'br-cnpj',
    kind: 'tax-id',
    about: 'Brazilian CNPJ, `00.000.000/0000-00`; two check digits',
    literals: ['00.000.000/0000-00'],
    pattern: '[0-9]{2}\\.[0-9]{3}\\.[0-9]{3}/[0-9]{4}-[0-9]{2}\\b',
    valid: sum.cnpj,
    hits: ['11.222.333/0001-81'],
    misses: ['11.222.333/0001-82', '11.222.333/0001'],
  },
  {
    id: 'br-context',
    kind: 'tax-id',
    about: 'Brazilian CPF without its dots, after its name',
    literals: ['cpf'],
    pattern: `(?i)cpf${gap}([0-9]{11})\\b`,
    valid: sum.cpf,
    hits: ['cpf: 52998224725'],
    misses: ['cpf: 52998224726', 'cpf 5299822472'],
  },
  {
    id: 'in-aadhaar',
    kind: 'national-id',
    about: 'Indian Aadhaar number in groups of four, or after its name; Verhoeff digit',
    literals: ['0000 0000 0000', 'aadhaar', 'aadhar', 'uidai'],
    pattern: `(?i)(?:(?:aadhaa?r|uidai)(?:[ _-]?(?:number|num|no|nr))?${gap})?([2-9][0-9]{3} ?[0-9]{4} ?[0-9]{4})\\b`,
    reach: (text, start, end) =>
      /^[ -]?\d/.test(text.slice(end, end + 2)) ||
      /\d[ -]?$/.test(text.slice(Math.max(0, start - 2), start))
        ? none
        : only(start, end),
    valid: sum.verhoeff,
    hits: ['2341 2341 2346', 'aadhaar: 234123412346'],
    misses: ['2341 2341 2347', '0341 2341 2346', '2341 2341 2346 1234'],
  },
  {
    id: 'in-pan',
    kind: 'tax-id',
    about: 'Indian permanent account number, after its name',
    literals: ['pan', 'permanent account', 'permanent_account'],
    pattern: `(?i)(?:pan|permanent[ _]account)(?:[ _-]?(?:number|num|no|nr|card))?${gap}([A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z])\\b`,
    hits: ['PAN: ABCPE1234F', '"pan_number": "AAACR5055K"'],
    misses: ['PAN: ABCDE1234F', 'panel ABCPE1234F', 'pan: ABCPE123F'],
  },
  {
    id: 'ca-sin',
    kind: 'national-id',
    about: 'Canadian social insurance number, after its name; Luhn sum',
    literals: ['sin', 'social insurance', 'social_insurance', 'assurance sociale'],
    pattern: `(?i)(?:sin|social[ _]insurance|assurance sociale)(?:[ _-]?(?:number|num|no|nr))?${gap}([1-9][0-9]{2}[ -]?[0-9]{3}[ -]?[0-9]{3})\\b`,
    valid: sum.luhn,
    hits: ['SIN: 130 692 544', 'social insurance number 130692544'],
    misses: ['SIN: 130 692 545', 'since 130692544'],
  },
  {
    id: 'au-tfn',
    kind: 'tax-id',
    about: 'Australian tax file number, after its name; weighted sum',
    literals: ['tfn', 'tax file', 'tax_file'],
    pattern: `(?i)(?:tfn|tax[ _]file)(?:[ _-]?(?:number|num|no|nr))?${gap}([0-9]{3} ?[0-9]{3} ?[0-9]{3})\\b`,
    valid: sum.tfn,
    hits: ['TFN 123 456 782', 'tax_file_number: 123456782'],
    misses: ['TFN 123 456 789', 'tfn 12345678'],
  },
  {
    id: 'de-steuer-id',
    kind: 'tax-id',
    about: 'German tax identification number, after its name; ISO 7064 digit',
    literals: [
      'steuer',
      'idnr',
      'identifikationsnummer',
      'tax id',
      'tax_id',
      'tax-id',
      'taxid',
      'tin',
    ],
    pattern:
      `(?i)(?:steuer(?:liche)?[ -]?(?:id(?:entifikations)?(?:nummer|-?nr\\.?)?)|idnr|identifikationsnummer|tax[ _-]?id|tin)${gap}` +
      '([1-9][0-9] ?[0-9]{3} ?[0-9]{3} ?[0-9]{3})\\b',
    valid: sum.steuerId,
    hits: ['Steuer-ID: 86095742719', 'IdNr. 86 095 742 719', 'tax_id=47036892816'],
    misses: ['Steuer-ID: 86095742718', 'steuer 2024', 'tin 12345678901'],
  },
];
