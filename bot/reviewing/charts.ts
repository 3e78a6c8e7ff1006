import type { Bin, Charted } from '#src/audit/summary/charted.ts';
import type { Line } from '#src/audit/summary/summary.ts';
import type { Part } from '../model.ts';
import { duration, oneLine } from '../text.ts';
import { Canvas, TEXT_HEIGHT, textWidth, type Colour } from './canvas.ts';

const WIDTH = 480;
const EDGE = 12;
const VERDICTS = [
  ['allow', 'allowed'],
  ['hold', 'held'],
  ['deny', 'refused'],
] as const;
const ALT_MOST = 1_900;

type Image = Extract<Part, { readonly kind: 'image' }>;

/** Pictures of what a summary counts; each says its numbers in words too. Nothing is drawn of nothing. */
export function chartsOf(
  { binMs, bins, waited }: Charted,
  targets: readonly Line[],
  timeZone: string,
): readonly Image[] {
  const images: Image[] = [];
  if (bins.some((bin) => sum(bin) > 0)) images.push(overTime(bins, binMs, timeZone));
  if (waited.some(({ count }) => count > 0))
    images.push(across('Time to a decision', waited.map(waitedRow)));
  if (targets.length > 1)
    images.push(
      across(
        'Statements by target',
        targets.slice(0, 6).map(({ value, count }) => ({ label: oneLine(value), count })),
      ),
    );
  return images;
}

const sum = ({ allow, hold, deny }: Bin): number => allow + hold + deny;

function waitedRow(
  { uptoMs, count }: Charted['waited'][number],
  at: number,
  all: Charted['waited'],
): Row {
  if (uptoMs !== undefined) return { label: `< ${duration(uptoMs)}`, count };
  return { label: `> ${duration(all[at - 1]?.uptoMs ?? 0)}`, count };
}

function overTime(bins: readonly Bin[], binMs: number, timeZone: string): Image {
  const [top, height, left] = [62, 92, 64];
  const canvas = framed(`Statements per ${stepName(binMs)}`, top + height + 34);
  let x = EDGE;
  for (const [colour, word] of VERDICTS) {
    canvas.fill(x, 38, 12, 12, colour);
    canvas.text(x + 18, 37, word);
    x += 18 + textWidth(word) + 24;
  }
  const most = Math.max(...bins.map(sum));
  canvas.text(EDGE, top, short(most));
  canvas.text(EDGE, top + height - TEXT_HEIGHT, '0');
  canvas.fill(left, top + height, WIDTH - left - EDGE, 2, 'line');
  const step = (WIDTH - left - EDGE) / bins.length;
  for (const [i, bin] of bins.entries()) {
    const from = Math.round(left + i * step);
    const wide = Math.max(1, Math.round(left + (i + 1) * step) - from - (step > 4 ? 2 : 0));
    stack(canvas, { x: from, wide, base: top + height, scale: height / most }, bin);
  }
  const time = clock(timeZone, binMs);
  const [first, last] = [time(bins[0]?.at ?? ''), time(bins.at(-1)?.at ?? '')];
  canvas.text(left, top + height + 8, first);
  canvas.text(WIDTH - EDGE - textWidth(last), top + height + 8, last);
  return image(canvas, altOverTime(bins, binMs, time, timeZone));
}

/** What happened at all can be seen, however little it is beside the rest. */
function stack(
  canvas: Canvas,
  at: {
    readonly x: number;
    readonly wide: number;
    readonly base: number;
    readonly scale: number;
  },
  bin: Bin,
): void {
  let { base } = at;
  for (const [verdict] of VERDICTS) {
    const high = bin[verdict] === 0 ? 0 : Math.max(2, Math.round(bin[verdict] * at.scale));
    base -= high;
    canvas.fill(at.x, base, at.wide, high, verdict);
  }
}

function altOverTime(
  bins: readonly Bin[],
  binMs: number,
  time: (at: string) => string,
  timeZone: string,
): string {
  const total = VERDICTS.map(
    ([verdict, word]) => `${bins.reduce((all, bin) => all + bin[verdict], 0)} ${word}`,
  );
  const each = bins
    .filter((bin) => sum(bin) > 0)
    .map((bin) => {
      const said = VERDICTS.filter(([verdict]) => bin[verdict] > 0);
      return `${time(bin.at)}: ${said.map(([verdict, word]) => `${bin[verdict]} ${word}`).join(', ')}`;
    });
  return `Statements per ${stepName(binMs)} (${timeZone}), ${total.join(', ')} in all. ${each.join('; ')}.`;
}

type Row = { readonly label: string; readonly count: number };

function across(title: string, rows: readonly Row[]): Image {
  const [top, step] = [40, 24];
  const canvas = framed(title, top + rows.length * step + 8);
  const cut = rows.map(({ label, count }) => ({
    label: label.length > 18 ? `${label.slice(0, 16)}..` : label,
    count,
  }));
  const left = EDGE + Math.max(...cut.map(({ label }) => textWidth(label))) + 12;
  const most = Math.max(1, ...cut.map(({ count }) => count));
  const room = WIDTH - left - EDGE - textWidth(short(most)) - 10;
  for (const [i, { label, count }] of cut.entries()) {
    const y = top + i * step;
    const wide = count === 0 ? 0 : Math.max(2, Math.round((count / most) * room));
    canvas.text(EDGE, y, label);
    canvas.fill(left, y, wide, TEXT_HEIGHT, 'allow' satisfies Colour);
    canvas.text(left + wide + 8, y, short(count));
  }
  const said = rows.map(({ label, count }) => `${label}: ${count}`).join('; ');
  return image(canvas, `${title}. ${said}.`);
}

function framed(title: string, height: number): Canvas {
  const canvas = new Canvas(WIDTH, height);
  canvas.fill(0, 0, WIDTH, height, 'line');
  canvas.fill(1, 1, WIDTH - 2, height - 2, 'ground');
  canvas.text(EDGE, EDGE, title);
  return canvas;
}

const image = (canvas: Canvas, alt: string): Image => ({
  kind: 'image',
  png: canvas.png().toString('base64'),
  alt: alt.length > ALT_MOST ? `${alt.slice(0, ALT_MOST)}…` : alt,
});

const stepName = (binMs: number): string =>
  binMs === 3_600_000 ? 'hour' : binMs === 86_400_000 ? 'day' : `${binMs / 3_600_000} hours`;

/** At most four signs: `950`, `12k`, `3.4M`. */
function short(count: number): string {
  if (count < 1_000) return String(count);
  const [by, unit] = count < 999_500 ? [1_000, 'k'] : [1_000_000, 'M'];
  const value = count / by;
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)}${unit}`;
}

/** `14:00`, or with the day where a stretch is longer. */
function clock(timeZone: string, binMs: number): (at: string) => string {
  const day = new Intl.DateTimeFormat('en-CA', { timeZone, dateStyle: 'short' });
  const hour = new Intl.DateTimeFormat('en-GB', { timeZone, timeStyle: 'short' });
  const days = binMs >= 86_400_000;
  return (at) => {
    const date = new Date(at);
    return days ? day.format(date) : `${day.format(date).slice(5)} ${hour.format(date)}`;
  };
}
