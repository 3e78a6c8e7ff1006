const letters = 'kQ7mZx2Rv9TbLw4HcYp8NdJs3GfUe6Ka5WqXr1VoBtMiPhCzSgDyEuAnFl0j';

/**
 * Made-up values for examples: so many characters, always the same, with nothing that a scanner of source code could take
 * for somebody's key.
 */
export const alnum = (length: number): string =>
  Array.from({ length }, (_, i) => letters[(i * 7 + (i >> 3)) % letters.length]).join('');

export const upper = (length: number): string =>
  alnum(length * 3)
    .replace(/[a-z]/g, '')
    .padEnd(length, 'Q7Z2')
    .slice(0, length);

export const hex = (length: number): string =>
  Array.from({ length }, (_, i) => '3fa91c7e0b5d8264'[(i * 5 + (i >> 4)) % 16]).join('');

export const letter = (length: number): string =>
  alnum(length * 2)
    .replace(/[^A-Za-z]/g, '')
    .padEnd(length, 'kQm')
    .slice(0, length);
