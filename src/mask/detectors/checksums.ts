/** Sums and check characters of numbers. Each takes the value as it was found and ignores what separates groups. */
type Check = (value: string) => boolean;

export const digitsOf = (value: string): string => value.replace(/\D/g, '');

/** ISO/IEC 7812-1, annex B. */
export const luhn: Check = (value) => {
  let sum = 0;
  let doubled = false;
  for (let index = value.length - 1; index >= 0; index -= 1) {
    const digit = value.charCodeAt(index) - 48;
    if (digit < 0 || digit > 9) continue;
    const weight = doubled ? digit * 2 : digit;
    sum += weight > 9 ? weight - 9 : weight;
    doubled = !doubled;
  }
  return sum % 10 === 0;
};

/** The rest of a number in base 36 digits written in decimal, as ISO 13616 has it. */
export function mod97(text: string): number {
  let rest = 0;
  for (const character of text) {
    const value = Number.parseInt(character, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest;
}

/** Sum of digits times weights. */
const weighted = (digits: string, weights: readonly number[]): number =>
  weights.reduce((sum, weight, index) => sum + weight * Number(digits[index]), 0);

const range = (from: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => from - index);

/** UK National Health Service number: weights 10 to 2, modulo 11. */
export const nhs: Check = (value) => {
  const digits = digitsOf(value);
  return (11 - (weighted(digits, range(10, 9)) % 11)) % 11 === Number(digits[9]);
};

/** French NIR: the last two digits are 97 minus the rest; Corsica's 2A and 2B count as 19 and 18. */
export const insee: Check = (value) => {
  const plain = value.replace(/[ .-]/g, '').replace('2A', '19').replace('2B', '18');
  return 97 - Number(BigInt(plain.slice(0, 13)) % 97n) === Number(plain.slice(13));
};

/** Spanish DNI and NIE: a letter for the number modulo 23. */
export const dni: Check = (value) => {
  const plain = value.replaceAll('-', '').toUpperCase();
  const number = Number(plain.slice(0, 8).replace(/^[XYZ]/, (sign) => String('XYZ'.indexOf(sign))));
  return 'TRWAGMYFPDXBNJZSQVHLCKE'[number % 23] === plain[8];
};

const oddValues = [
  1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
];

/** Italian codice fiscale: characters at odd places have values of their own. */
export const codiceFiscale: Check = (value) => {
  let sum = 0;
  for (const [index, character] of Array.from(value.toUpperCase().slice(0, 15)).entries()) {
    const number = /\d/.test(character) ? Number(character) : character.charCodeAt(0) - 65;
    sum += index % 2 === 0 ? (oddValues[number] ?? 0) : number;
  }
  return String.fromCharCode(65 + (sum % 26)) === value[15]?.toUpperCase();
};

const mod11 = (digits: string, weights: readonly number[]): number => {
  const rest = weighted(digits, weights) % 11;
  return rest < 2 ? 0 : 11 - rest;
};

/** All digits the same passes many sums and is nobody's number. */
const uniform = (digits: string): boolean => /^(\d)\1*$/.test(digits);

/** Brazilian CPF: two check digits. */
export const cpf: Check = (value) => {
  const digits = digitsOf(value);
  return (
    !uniform(digits) &&
    mod11(digits, range(10, 9)) === Number(digits[9]) &&
    mod11(digits, range(11, 10)) === Number(digits[10])
  );
};

/** Brazilian CNPJ: two check digits. */
export const cnpj: Check = (value) => {
  const digits = digitsOf(value);
  const weights = [5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2];
  return (
    !uniform(digits) &&
    mod11(digits, weights) === Number(digits[12]) &&
    mod11(digits, [6, ...weights]) === Number(digits[13])
  );
};

/** The dihedral group of order 10: `d5` multiplies, `rotate` permutes by place. */
const d5 = (a: number, b: number): number => {
  const turn = a < 5 ? a + (b % 5) : a - (b % 5);
  const together = a < 5 === b < 5;
  return (((turn % 5) + 5) % 5) + (together ? 0 : 5);
};
const rotate = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];

/** Verhoeff's scheme, which Aadhaar numbers end with. */
export const verhoeff: Check = (value) => {
  let state = 0;
  for (const [place, digit] of Array.from(digitsOf(value)).toReversed().entries()) {
    let permuted = Number(digit);
    for (let turn = 0; turn < place % 8; turn += 1) permuted = rotate[permuted] ?? 0;
    state = d5(state, permuted);
  }
  return state === 0;
};

/** Australian tax file number: weights, modulo 11. */
export const tfn: Check = (value) =>
  weighted(digitsOf(value), [1, 4, 3, 7, 5, 8, 6, 9, 10]) % 11 === 0;

/** German tax identification number: ISO 7064 MOD 11,10; one digit comes twice or three times among the first ten. */
export const steuerId: Check = (value) => {
  const digits = digitsOf(value);
  const distinct = new Set(digits.slice(0, 10)).size;
  if (digits.startsWith('0') || (distinct !== 8 && distinct !== 9)) return false;
  let product = 10;
  for (const digit of digits.slice(0, 10)) {
    const sum = (Number(digit) + product) % 10 || 10;
    product = (sum * 2) % 11;
  }
  return (11 - product) % 10 === Number(digits[10]);
};

/** US social security numbers: areas, groups and serials that are never issued. */
export const ssn: Check = (value) => {
  const digits = digitsOf(value);
  const area = digits.slice(0, 3);
  return (
    area !== '000' &&
    area !== '666' &&
    area < '900' &&
    digits.slice(3, 5) !== '00' &&
    !digits.endsWith('0000')
  );
};

/** Bits a character, by how often each occurs. */
export function entropy(text: string): number {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values())
    bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}

/** True for what looks drawn at random: digits and letters, few repeats. Words and counters are not. */
export const random: Check = (value) => {
  const start = value.slice(0, 64);
  return (
    /\d/.test(start) && /[A-Za-z]/.test(start) && entropy(start) >= (start.length < 20 ? 2.8 : 3)
  );
};

/** US individual taxpayer identification numbers: ranges of the fourth and fifth digit. */
export const itin: Check = (value) => /^9\d\d-(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])-/.test(value);
