import type { Ran, Request, Rows, Same } from '#src/approval/request.ts';
import { duration } from './text.ts';

export type Fact = { readonly label: string; readonly text: string };

const LAST = 3;
const TEXT_MAX = 80;

/** What approvers are told beyond the effect, as far as it fits into chat; the console has all of it. */
export function toldFacts({ card, rows, shape }: Request): readonly Fact[] {
  const { before = [], same } = card;
  return [
    ...(rows ? [{ label: 'Rows', text: rowsText(rows) }] : []),
    ...(same ? [{ label: 'The same before', text: sameText(same) }] : []),
    ...(before.length > 0 ? [{ label: 'Before it', text: beforeText(before) }] : []),
    ...(shape && card.shape
      ? [{ label: 'The same again', text: againText(shape, card.shape) }]
      : []),
  ];
}

const amount = (rows: number): string => `${rows} ${rows === 1 ? 'row' : 'rows'}`;

function rowsText({ state, estimated, counted, sample, why }: Rows): string {
  const parts = [
    ...(counted === undefined
      ? []
      : [`exactly ${amount(counted)}; a run that changes more is rolled back`]),
    ...(estimated === undefined ? [] : [`about ${amount(estimated)} by the planner`]),
    ...(sample
      ? [
          `among them ${sample.columns.join(', ')} ${sample.keys.map((key) => key.join(', ')).join('; ')}`,
        ]
      : []),
    ...(state === 'estimating' ? ['estimating…'] : []),
    ...(state === 'unknown' ? [`not estimated: ${why ?? 'the target did not say'}`] : []),
    ...(state === 'known' && why !== undefined ? [why] : []),
  ];
  return parts.join('; ');
}

export function sameText({ approved, denied, lastApproved, lastDenied }: Same): string {
  return [
    ...(lastApproved
      ? [
          `approved ${times(approved)}, last by ${lastApproved.by.join(', ')} on ${day(lastApproved.at)}`,
        ]
      : []),
    ...(lastDenied
      ? [`denied ${times(denied)}, last by ${lastDenied.by.join(', ')} on ${day(lastDenied.at)}`]
      : []),
  ].join('; ');
}

const times = (count: number): string => (count === 1 ? 'once' : `${count} times`);
const day = (at: string): string => at.slice(0, 10);

/** The newest last, as it happened. */
function beforeText(before: readonly Ran[]): string {
  const left = before.length - LAST;
  const shown = before.slice(-LAST).map((one) => {
    const text = Array.from(one.text);
    const cut = text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX).join('')}…` : one.text;
    return `${cut} (${became(one)})`;
  });
  return [...(left > 0 ? [`${left} more in the console`] : []), ...shown].join(' → ');
}

export function became({ verdict, ok, code }: Ran): string {
  if (verdict === 'deny') return 'refused';
  if (verdict === 'hold') return 'not run';
  if (ok === undefined) return 'outcome not known yet';
  return ok ? 'ran' : `failed with ${code ?? 'an error'}`;
}

function againText(
  { until, revokedAt, revokedBy }: NonNullable<Request['shape']>,
  { words, ms }: NonNullable<Request['card']['shape']>,
): string {
  if (revokedAt !== undefined) return `revoked${revokedBy === undefined ? '' : ` by ${revokedBy}`}`;
  return `for ${duration(ms)}, until ${until.slice(0, 16).replace('T', ' ')} UTC: ${words}`;
}
