import { createRequire } from 'node:module';
import type * as Library from 'libphonenumber-js/min';
import { digitsOf } from './checksums.ts';

const require = createRequire(import.meta.url);
let loaded: typeof Library | undefined;

/** The numbers of all countries take time to load, and most processes never see a phone number. */
function library(): typeof Library {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the package has these types
  return (loaded ??= require('libphonenumber-js/min') as typeof Library);
}

let callingCodes: ReadonlySet<string> | undefined;

function codes(): ReadonlySet<string> {
  const { getCountries, getCountryCallingCode } = library();
  return (callingCodes ??= new Set(
    getCountries().map((country) => getCountryCallingCode(country)),
  ));
}

/** True when a number in international form begins with a calling code that is in use. */
export function hasCallingCode(value: string): boolean {
  const digits = digitsOf(value);
  return [1, 2, 3].some((length) => codes().has(digits.slice(0, length)));
}

/** Where national numbers are looked for: the countries with the most of them. */
const usual: readonly Library.CountryCode[] = ['US', 'GB', 'DE', 'FR', 'IN', 'BR', 'ES', 'IT'];

/** True when it is a valid number in one of these countries, as it is dialled there. */
export function isNational(value: string, countries = usual): boolean {
  // A date is dialled nowhere.
  if (/^\d{4}-\d{2}-\d{2}/.test(value)) return false;
  return countries.some(
    (country) => library().parsePhoneNumberFromString(value, country)?.isValid() === true,
  );
}
