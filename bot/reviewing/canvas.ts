import { crc32, deflateSync } from 'node:zlib';
import { dropOf, rowsOf, SIGN } from './font.ts';

/** On a ground of its own, so that it reads the same in light and dark chats; the verdicts differ in lightness too. */
const COLOURS = {
  ground: 'ffffff',
  ink: '1d1c1d',
  line: 'b5b5b8',
  allow: '1d5f9e',
  hold: 'f2a53a',
  deny: '8e1026',
} as const;
export type Colour = keyof typeof COLOURS;
const NAMES = Object.keys(COLOURS);

/** Dots of the font are so wide. */
const SCALE = 2;
const STEP = (SIGN.width + 1) * SCALE;
export const TEXT_HEIGHT = SIGN.height * SCALE;

export const textWidth = (text: string): number => Array.from(text).length * STEP - SCALE;

/** A picture in six colours. */
export class Canvas {
  readonly width: number;
  readonly height: number;
  readonly #rows: readonly Uint8Array[];

  constructor(width: number, height: number) {
    this.width = width;
    this.height = height;
    this.#rows = Array.from({ length: height }, () => new Uint8Array(width));
  }

  /** What lies outside is left out. */
  fill(x: number, y: number, width: number, height: number, colour: Colour): void {
    for (const row of this.#rows.slice(Math.max(0, y), Math.max(0, y + height)))
      row.fill(NAMES.indexOf(colour), Math.max(0, x), Math.max(0, x + width));
  }

  text(x: number, y: number, text: string): void {
    for (const [place, sign] of Array.from(text).entries())
      for (const [down, bits] of rowsOf(sign).entries())
        for (let across = 0; across < SIGN.width; across += 1)
          if (bits & (1 << (SIGN.width - 1 - across)))
            this.#dot(x + place * STEP + across * SCALE, y + (down + dropOf(sign)) * SCALE);
  }

  #dot(x: number, y: number): void {
    this.fill(x, y, SCALE, SCALE, 'ink');
  }

  png(): Buffer {
    const head = Buffer.alloc(13);
    head.writeUInt32BE(this.width, 0);
    head.writeUInt32BE(this.height, 4);
    // Eight bits a pixel, by palette; no filter, not interlaced.
    head.set([8, 3, 0, 0, 0], 8);
    const rows = this.#rows.map((row) => Buffer.concat([Buffer.of(0), row]));
    return Buffer.concat([
      Buffer.from('89504e470d0a1a0a', 'hex'),
      chunk('IHDR', head),
      chunk('PLTE', Buffer.from(Object.values(COLOURS).join(''), 'hex')),
      chunk('IDAT', deflateSync(Buffer.concat(rows), { level: 9 })),
      chunk('IEND', Buffer.alloc(0)),
    ]);
  }
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  framed.set(body, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}
