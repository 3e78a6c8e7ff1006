import { maskDetected } from '#src/mask/detect.ts';

const hidden = '"•••"';

/** An error message without the literals of the statement that it quotes: it goes into records that others read. */
export function scrub(message: string, code: string): string {
  // Class 22 is "data exception": what is quoted is a value.
  const quoted = code.startsWith('22') ? message.replace(/".*"/s, hidden) : message;
  return maskDetected(quoted.replace(/(?<= at or near )"(?:[0-9'$]|[a-z]&?').*"/is, hidden));
}
