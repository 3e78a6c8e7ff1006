import {
  type CountryCode,
  getCountries,
  getCountryCallingCode,
  parsePhoneNumberFromString,
} from 'libphonenumber-js/min';
import { digitsOf } from './checksums.ts';

const callingCodes: ReadonlySet<string> = new Set(
  getCountries().map((country) => getCountryCallingCode(country)),
);

/** True when a number in international form begins with a calling code that is in use. */
export function hasCallingCode(value: string): boolean {
  const digits = digitsOf(value);
  return [1, 2, 3].some((length) => callingCodes.has(digits.slice(0, length)));
}

/** Where national numbers are looked for: the countries with the most of them. */
const usual: readonly CountryCode[] = ['US', 'GB', 'DE', 'FR', 'IN', 'BR', 'ES', 'IT'];

/** True when it is a valid number in one of these countries, as it is dialled there. */
export function isNational(value: string, countries = usual): boolean {
  // A date is dialled nowhere.
  if (/^\d{4}-\d{2}-\d{2}/.test(value)) return false;
  return countries.some(
    (country) => parsePhoneNumberFromString(value, country)?.isValid() === true,
  );
}
