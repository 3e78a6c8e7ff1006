/** A sensitive value found in a text: `[start, end)` in UTF-16 units. */
type Span = { readonly kind: string; readonly start: number; readonly end: number };

/**
 * True when the text holds something that looks like an e-mail address, a payment card (Luhn), a US social security
 * number, an IBAN (mod 97), a phone number with `+`, a JWT, a private key, a known kind of access token, or a password
 * in an address. Linear in the text's length. A net for what slips through, no boundary against somebody hostile.
 */
export function detect(text: string): boolean {
  return find(text).length > 0 || (!isAscii.test(text) && find(undisguised(text)).length > 0);
}

/** The text with every detected value replaced by its kind: `[email]`. */
export function maskDetected(text: string): string {
  const spans = find(text);
  const plain = undisguised(text);
  // What only shows without its disguise can be hidden only there.
  if (plain !== text) {
    const more = find(plain);
    if (more.length > spans.length) return replace(plain, more);
  }
  return replace(text, spans);
}

/** Names of what can be found, for masks such as `detect:email,card`. */
export const kindNames: ReadonlySet<string> = new Set([
  'email',
  'phone',
  'card',
  'iban',
  'ssn',
  'token',
  'password',
  'private-key',
]);

/**
 * One cell, in UTF-8, with every detected value of these kinds (all when not given) replaced. Undefined: nothing was
 * found, and the same bytes may go out. The cell is not changed.
 */
export function maskDetectedBytes(cell: Buffer, kinds?: ReadonlySet<string>): Buffer | undefined {
  const text = cell.toString();
  const plain = undisguised(text);
  const wanted = (span: Span): boolean => !kinds || kinds.has(span.kind.replace(' ', '-'));
  const spans = find(text).filter(wanted);
  const more = plain === text ? [] : find(plain).filter(wanted);
  if (more.length > spans.length) return Buffer.from(replace(plain, more));
  return spans.length === 0 ? undefined : Buffer.from(replace(text, spans));
}

/** How many values of which kind a text holds. */
export function findings(text: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { kind } of find(undisguised(text))) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

function replace(text: string, spans: readonly Span[]): string {
  let result = '';
  let end = 0;
  for (const span of spans) {
    result += `${text.slice(end, span.start)}[${span.kind}]`;
    end = span.end;
  }
  return result + text.slice(end);
}

/** Full-width and other compatibility forms folded, invisible characters taken out. */
function undisguised(text: string): string {
  return isAscii.test(text) ? text : text.normalize('NFKC').replace(/[\p{Cf}\u{ad}]/gu, '');
}
// oxlint-disable-next-line no-control-regex -- the whole of ASCII is meant
const isAscii = /^[\x00-\x7f]*$/;

type Detector = {
  readonly kind: string;
  /** Starts at most once per run of its characters, or is bounded, so that no text makes it slow. */
  readonly pattern: RegExp;
  /** Narrows or widens a match; undefined refuses it. */
  readonly refine?: (text: string, start: number, end: number) => readonly [number, number][];
};

const detectors: readonly Detector[] = [
  {
    kind: 'private key',
    // To its last line, or to the end of the text when that is missing.
    pattern:
      /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:[^]*?-----END [A-Z0-9 ]{0,50}-----|[^]*)/g,
  },
  { kind: 'token', pattern: /(?<![\w-])ey[\w-]{10,}\.[\w-]{10,}\.[\w-]*/g },
  { kind: 'token', pattern: /(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Z0-9])/g },
  {
    kind: 'token',
    pattern: /(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_\w{20,255})/g,
  },
  { kind: 'token', pattern: /(?<![A-Za-z0-9])(?:xox[abceoprs]|xapp)-[\w.-]{10,255}/g },
  {
    kind: 'token',
    pattern: /hooks\.slack\.com\/(?:services|workflows|triggers)\/[\w/+-]{20,100}/g,
  },
  { kind: 'token', pattern: /(?<![A-Za-z0-9])cs_[A-Za-z0-9_-]{24,255}/g },
  { kind: 'password', pattern: /(?<=:\/\/)[^\s:/@]{0,80}:[^\s@/]{1,200}(?=@)/g },
  {
    kind: 'email',
    pattern: /@[\p{L}\p{N}-]{1,63}(?:\.[\p{L}\p{N}-]{1,63}){1,8}/gu,
    refine: withLocalPart,
  },
  {
    kind: 'iban',
    pattern: /(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?=[ -]?[A-Z0-9])/gi,
    refine: iban,
  },
  { kind: 'ssn', pattern: /(?<!\d)\d{3}-\d{2}-\d{4}(?!\d)/g },
  { kind: 'phone', pattern: /(?<![\w+])\+\d(?:[ ().-]{0,2}\d){7,14}(?!\d)/g },
  { kind: 'card', pattern: /(?<!\d)\d+(?:[ .-]\d+)*/g, refine: cards },
];

/** Of all that is looked for, only an address is shorter: a phone number has its plus and eight digits. */
const shortest = 9;

function find(text: string): readonly Span[] {
  if (text.length < shortest && !text.includes('@')) return [];
  const found: Span[] = [];
  for (const { kind, pattern, refine } of detectors)
    for (const match of text.matchAll(pattern)) {
      const start = match.index;
      const end = start + match[0].length;
      for (const [from, to] of refine ? refine(text, start, end) : [[start, end] as const])
        found.push({ kind, start: from, end: to });
    }
  return merge(found.toSorted((a, b) => a.start - b.start || b.end - a.end));
}

/** Overlapping spans become one, named by the first. */
function merge(spans: readonly Span[]): readonly Span[] {
  const merged: Span[] = [];
  for (const span of spans) {
    const last = merged.at(-1);
    if (!last || span.start >= last.end) merged.push(span);
    else if (span.end > last.end) merged[merged.length - 1] = { ...last, end: span.end };
  }
  return merged;
}

const localPart = /[\p{L}\p{N}._%+-]/u;

function withLocalPart(text: string, at: number, end: number): [number, number][] {
  let start = at;
  while (start > 0 && localPart.test(text[start - 1] ?? '')) start -= 1;
  return start === at ? [] : [[start, end]];
}

/** Lengths by country, from the SWIFT registry. */
const ibanLengths = new Map(
  (
    'AD24AE23AL28AT20AZ28BA20BE16BG22BH22BR29BY28CH21CR22CY28CZ24DE22DK18DO28EE20EG29ES24FI18FO18FR27GB22GE22GI23' +
    'GL18GR27GT28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MR27MT31MU30' +
    'NL18NO15PK24PL28PS29PT25QA29RO24RS22SA24SC31SE24SI19SK24SM27ST25SV28TL23TN24TR26UA29VA22VG24XK20'
  )
    .match(/.{4}/g)
    ?.map((one) => [one.slice(0, 2), Number(one.slice(2))]),
);

/** As many characters as the country's numbers have, so that the next number beside it is found too. */
function iban(text: string, start: number): [number, number][] {
  const length = ibanLengths.get(text.slice(start, start + 2).toUpperCase()) ?? 0;
  let compact = '';
  let to = start;
  while (to < text.length && compact.length < length) {
    const character = text[to] ?? '';
    const separates = character === ' ' || character === '-';
    if (!separates && !/[A-Za-z0-9]/.test(character)) return [];
    if (!separates) compact += character;
    to += 1;
  }
  if (length === 0 || compact.length !== length) return [];
  return mod97(compact.slice(4) + compact.slice(0, 4)) === 1 ? [[start, to]] : [];
}

function mod97(text: string): number {
  let rest = 0;
  for (const character of text) {
    const value = Number.parseInt(character, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest;
}

/** Card numbers among groups of digits: any neighbouring groups of 13 to 19 digits in all that pass Luhn. */
function cards(text: string, start: number, end: number): [number, number][] {
  if (end - start < 13) return [];
  const groups = [...text.slice(start, end).matchAll(/\d+/g)];
  const found: [number, number][] = [];
  for (const [index, first] of groups.entries()) {
    if (!/^[2-6]/.test(first[0])) continue;
    let digits = '';
    for (let next = index; next < groups.length && digits.length < 20; next += 1) {
      const group = groups[next];
      if (!group) break;
      digits += group[0];
      if (digits.length >= 13 && digits.length <= 19 && luhn(digits))
        found.push([start + first.index, start + group.index + group[0].length]);
    }
  }
  return found;
}

function luhn(digits: string): boolean {
  let sum = 0;
  for (let index = 0; index < digits.length; index += 1) {
    const digit = digits.charCodeAt(digits.length - 1 - index) - 48;
    const weighted = index % 2 === 1 ? digit * 2 : digit;
    sum += weighted > 9 ? weighted - 9 : weighted;
  }
  return sum % 10 === 0;
}
