import { SqlError, loadModule, parseSync } from 'libpg-query';
import type { Refused } from '../statement.ts';
import { blockOf } from './block.ts';
import { type Outline, outlines } from './outline.ts';
import { scrub } from './scrub.ts';

export type Parsed =
  | { readonly outlines: readonly Outline[]; readonly refused?: undefined }
  | { readonly refused: Refused; readonly outlines?: undefined };

await loadModule();

/** Parses with PostgreSQL's own parser. Throws anything but a syntax error: the instance must not be used again then. */
export function parse(text: string): Parsed {
  // The parser's wrapper takes the empty string for a mistake; drivers ping with it.
  if (text.trim() === '') return { outlines: [] };
  try {
    return { outlines: withBlocks(text, outlines(parseSync(text), Buffer.byteLength(text))) };
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    return { refused: syntaxError(error) };
  }
}

/** DO keeps its code in a literal, which has a parser of its own. */
function withBlocks(text: string, all: readonly Outline[]): readonly Outline[] {
  return all.map((one) => {
    if (!('DoStmt' in one.node)) return one;
    const block = blockOf(Buffer.from(text).subarray(one.start, one.end).toString());
    return block ? { ...one, block } : one;
  });
}

function syntaxError(error: SqlError): Refused {
  const position = error.sqlDetails?.cursorPosition ?? 0;
  return {
    rule: 'countersign/not-parsed',
    message: scrub(error.message, '42601'),
    hint: position > 0 ? `Look at character ${position}.` : 'Check the statement.',
    code: '42601',
  };
}

const inlineBytes = 16_384;
const inlineDepth = 1000;

/** True when the parser's stack cannot run out on this text, so that it may be parsed on the main thread. */
export function fitsInline(text: string): boolean {
  if (text.length > inlineBytes) return false;
  let marks = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    // Operators and brackets, which nest; `not` nests without any, but not deep enough within 16 kB.
    if (
      code < 48 ? code > 32 && code !== 44 && code !== 46 : (code > 57 && code < 65) || code === 91
    )
      marks += 1;
  }
  return marks <= inlineDepth;
}

export const tooDeep: Refused = {
  rule: 'countersign/not-parsed',
  message: 'the statement is too complex to be judged',
  hint: 'Split it into smaller statements.',
  code: '54001',
};
