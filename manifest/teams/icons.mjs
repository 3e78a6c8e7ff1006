// Draws the app's two icons: color.png (192 px) and outline.png (32 px, white on nothing), as Teams wants them.
import { writeFileSync } from 'node:fs';
import { deflateSync } from 'node:zlib';
import { crc32 } from './crc32.mjs';

/** Two ticks, the second countersigning the first: lines between points of a square of side 1. */
const TICKS = [
  [[0.16, 0.52], [0.34, 0.7], [0.64, 0.32]],
  [[0.42, 0.62], [0.5, 0.7], [0.84, 0.3]],
];
const BLUE = [0x1f, 0x4e, 0x79];
const WIDTH = 0.085;

const draw = (name, side, colorAt) => {
  const rows = [];
  for (let y = 0; y < side; y++) {
    rows.push(0);
    for (let x = 0; x < side; x++)
      rows.push(...colorAt(covered((x + 0.5) / side, (y + 0.5) / side, side)));
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  // Eight bits each of red, green, blue and opacity.
  header.set([8, 6], 8);
  const png = Buffer.concat([
    Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.from(rows), { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
  writeFileSync(new URL(name, import.meta.url), png);
};

/** How much of the pixel is ink, from 0 to 1. */
const covered = (x, y, side) => {
  const nearest = Math.min(
    ...TICKS.flatMap((points) => points.slice(1).map((to, i) => distance(x, y, points[i], to))),
  );
  return Math.max(0, Math.min(1, (WIDTH / 2 - nearest) * side + 0.5));
};

const distance = (x, y, [ax, ay], [bx, by]) => {
  const [dx, dy] = [bx - ax, by - ay];
  const along = Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy)));
  return Math.hypot(x - ax - along * dx, y - ay - along * dy);
};

const chunk = (type, data) => {
  const body = Buffer.concat([Buffer.from(type), data]);
  const around = Buffer.alloc(8);
  around.writeUInt32BE(data.length, 0);
  around.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([around.subarray(0, 4), body, around.subarray(4)]);
};

draw('color.png', 192, (ink) => [...BLUE.map((one) => Math.round(one + (255 - one) * ink)), 255]);
draw('outline.png', 32, (ink) => [255, 255, 255, Math.round(255 * ink)]);
