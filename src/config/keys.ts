import { z } from 'zod';
import { parseDuration } from '../policy/duration.ts';
import { isTimeZone, parseAddress, parseSize } from './units.ts';

/** A text that `parse` understands; the message shows what was written and what would be right. */
const text = (parse: (value: string) => unknown, what: string, example: string) =>
  z.string().refine((value) => parse(value) !== undefined, {
    error: (issue) => `${JSON.stringify(issue.input)} is not ${what}: write ${example}`,
  });

/** A key with the two things that its line in the reference needs; the example is as one would write it. */
export const key = <T extends z.ZodType>(type: T, description: string, example: unknown): T =>
  type.meta({ description, examples: [example] });

export const duration = text(parseDuration, 'a duration', '5m');
export const size = text(parseSize, 'a size', '1MiB');
export const address = text(parseAddress, 'an address', '127.0.0.1:6432');
export const timeZone = text(
  (value) => isTimeZone(value) || undefined,
  'a time zone',
  'Europe/Berlin',
);
export const secret = z.string().min(1);
export const file = z.string().min(1);
export const name = z
  .string()
  .regex(
    /^[A-Za-z0-9][\w.-]{0,62}$/,
    'a name has letters, digits, ".", "_" and "-", and at most 63 of them',
  );
export const email = z
  .string()
  .regex(/^[^\s@]+@[^\s@]+$/, 'a person is named by an e-mail address');
export const urlOf = (schemes: readonly string[]) =>
  // Addresses may hold passwords, so what was written is not shown.
  z
    .string()
    .refine(
      (value) => schemes.some((one) => value.startsWith(`${one}://`)) && URL.canParse(plain(value)),
      `not an address: write ${schemes[0]}://…`,
    );
/** References stand for text that is not known yet. */
const plain = (value: string): string => value.replace(/\$\{[^}]*\}/g, 'x');
