type State = 'text' | 'escape' | 'csi' | 'string' | 'string-escape';

/**
 * What a terminal got, without what would make the one that it is played on answer, or reach beyond its screen: questions
 * (device attributes, reports of cursor, mode, title, colour), the clipboard (OSC 52), titles, links, mouse and paste
 * modes, and strings for programs behind the terminal (DCS, APC, PM, SOS). Text, colours, cursor moves, scrolling and the
 * alternate screen go by. Only what is known to draw goes by: an unknown sequence does not (ECMA-48; xterm ctlseqs).
 */
export class Harmless {
  #state: State = 'text';
  #sequence = '';

  /** The harmless part of the next piece; a sequence may be cut by the border between two. */
  take(text: string): string {
    let out = '';
    for (const character of text) out += this.#one(character);
    return out;
  }

  #one(character: string): string {
    const code = character.codePointAt(0) ?? 0;
    // Cancels whatever it stands in (CAN, SUB); in a string it ends it.
    if (code === 0x18 || code === 0x1a) return this.#to('text');
    switch (this.#state) {
      case 'text':
        return this.#text(character, code);
      case 'escape':
        return this.#escape(character, code);
      case 'csi':
        return this.#csi(character, code);
      case 'string':
        return this.#string(code);
      case 'string-escape':
        // ESC \ ends a string; any other ESC begins a sequence of its own.
        if (character === '\\') return this.#to('text');
        this.#to('escape');
        return this.#one(character);
    }
  }

  #to(state: State): string {
    this.#state = state;
    this.#sequence = '';
    return '';
  }

  #text(character: string, code: number): string {
    if (code === 0x1b) return this.#to('escape');
    // The same in one character (C1), which some terminals heed.
    if (code === 0x9b) return this.#to('csi');
    if (STRINGS_C1.has(code)) return this.#to('string');
    if (code >= 0x20 && (code < 0x7f || code > 0x9f)) return character;
    return DRAWING.has(code) ? character : '';
  }

  #escape(character: string, code: number): string {
    if (character === '[') return this.#to('csi');
    if (STRINGS.has(character)) return this.#to('string');
    if (code === 0x1b) return this.#to('escape');
    // Intermediate characters: designation of character sets, size of lines.
    if (code >= 0x20 && code <= 0x2f) {
      this.#sequence += character;
      return this.#sequence.length > MOST ? this.#to('text') : '';
    }
    const sequence = this.#sequence + character;
    this.#to('text');
    return DRAWS_ESCAPE.test(sequence) ? `\u001B${sequence}` : '';
  }

  #csi(character: string, code: number): string {
    if (code === 0x1b) return this.#to('escape');
    // Controls within a sequence are heeded as if they stood before it.
    if (code < 0x20) return DRAWING.has(code) ? character : '';
    if (code < 0x40) {
      this.#sequence += character;
      return this.#sequence.length > MOST ? this.#to('text') : '';
    }
    const sequence = this.#sequence + character;
    this.#to('text');
    return code <= 0x7e && draws(sequence) ? `\u001B[${sequence}` : '';
  }

  #string(code: number): string {
    if (code === 0x1b) this.#state = 'string-escape';
    // BEL ends an OSC, ST (C1) any string.
    if (code === 0x07 || code === 0x9c) return this.#to('text');
    return '';
  }
}

/** Longer sequences draw nothing. */
const MOST = 256;
/** Backspace, tab, line feed, vertical tab, form feed, carriage return, shift out and in. */
const DRAWING: ReadonlySet<number> = new Set([8, 9, 10, 11, 12, 13, 14, 15]);
/** DCS, SOS, OSC, PM, APC. */
const STRINGS: ReadonlySet<string> = new Set(['P', 'X', ']', '^', '_']);
const STRINGS_C1: ReadonlySet<number> = new Set([0x90, 0x98, 0x9d, 0x9e, 0x9f]);
/** Save and restore, index, next line, tab stop, reverse index, keypads, character sets, alignment. */
const DRAWS_ESCAPE = /^(?:[78DEHM=>]|[()*+][A-Za-z0-9]|#[3-68])$/u;
/** Cursor, erase, insert, delete, scroll, repeat, tabs, colours, margins. */
const DRAWS = /^[\d;:]*[@A-MPST`abdefgmrsuXZ]$/u;
const MODES = /^\??[\d;]+[hl]$/u;
/** Insert, newline; cursor keys, columns, reverse, origin, wrap, blink, cursor, screens, synchronized output. */
const SAFE_MODES: ReadonlySet<string> = new Set(['4', '20']);
const SAFE_PRIVATE: ReadonlySet<string> = new Set([
  '1',
  '5',
  '6',
  '7',
  '12',
  '25',
  '45',
  '47',
  '1047',
  '1048',
  '1049',
  '2026',
]);
const CURSOR_SHAPE = /^\d* q$/u;

function draws(sequence: string): boolean {
  if (MODES.test(sequence)) {
    const own = sequence.startsWith('?');
    const known = own ? SAFE_PRIVATE : SAFE_MODES;
    return sequence
      .slice(own ? 1 : 0, -1)
      .split(';')
      .every((mode) => known.has(mode));
  }
  return DRAWS.test(sequence) || CURSOR_SHAPE.test(sequence);
}

/** Puts a terminal right, whatever was played on it: screen, margins, modes, colours, character set, cursor. */
export const RESTORED =
  '\u001B[?1049l\u001B[?47l\u001B[r\u001B[?6l\u001B[?7h\u001B[?1l\u001B>\u001B[4l\u001B[20l\u001B[?5l\u001B(B\u000F\u001B[0m\u001B[?25h';
