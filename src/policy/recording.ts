import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { actionsOf } from './ast.ts';
import type { RecordingTerms } from './verdict.ts';

/** `@recording` of a rule; complains where it limits nothing or does not parse. */
export function readRecording(
  json: PolicyJson,
  text: string | undefined,
  complain: (message: string, hint: string) => undefined,
): { readonly recording?: RecordingTerms } {
  if (text === undefined) return {};
  if (json.effect === 'forbid')
    complain(
      '@recording stands on a forbid',
      'put @recording on the permit whose results it limits',
    );
  if (actionsOf(json)?.every((action) => action === 'connect'))
    complain(
      '@recording stands on a permit for connect alone, which has no result',
      'put @recording on the permit for read, write or execute',
    );
  const recording = parseRecording(text);
  if (recording) return { recording };
  complain(
    `@recording("${text}") does not say how much of a result is recorded`,
    'write @recording("none"), or rows and a size: @recording("rows=100,bytes=64kB")',
  );
  return {};
}

const units: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1_000,
  MB: 1_000_000,
  KiB: 1_024,
  MiB: 1_048_576,
};

/** `none`, `rows=100`, `bytes=64kB` or `rows=100,bytes=64kB`; undefined for anything else. */
function parseRecording(text: string): RecordingTerms | undefined {
  if (text.trim() === 'none') return { rows: 0, bytes: 0 };
  const found = new Map<string, number>();
  for (const part of text.split(',')) {
    const [, name = '', digits = '', unit] = /^\s*(\w+)=(\d{1,9})(\w*)\s*$/.exec(part) ?? [];
    const size = sizeOf(name, unit ?? '');
    if (size === undefined || found.has(name)) return undefined;
    found.set(name, Number(digits) * size);
  }
  const [rows, bytes] = [found.get('rows'), found.get('bytes')];
  return { ...(rows !== undefined && { rows }), ...(bytes !== undefined && { bytes }) };
}

function sizeOf(name: string, unit: string): number | undefined {
  if (name === 'rows') return unit === '' ? 1 : undefined;
  return name === 'bytes' ? units[unit] : undefined;
}

/** The less of each. */
export function lessRecording(
  a: RecordingTerms | undefined,
  b: RecordingTerms | undefined,
): RecordingTerms | undefined {
  if (!a || !b) return a ?? b;
  const rows = less(a.rows, b.rows);
  const bytes = less(a.bytes, b.bytes);
  return { ...(rows !== undefined && { rows }), ...(bytes !== undefined && { bytes }) };
}

const less = (a = Infinity, b = Infinity): number | undefined => {
  const least = Math.min(a, b);
  return least === Infinity ? undefined : least;
};
