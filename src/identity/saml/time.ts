import { refuse } from './refuse.ts';
import { attributeOf, type Element } from './xml.ts';

/** When a message is looked at: milliseconds since the epoch, and how far the provider's clock may differ. */
export type Clock = { readonly now: number; readonly skewMs: number };

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/;

/** An attribute that holds a time (saml-core 1.3.3: always UTC), in milliseconds; undefined when it is not there. */
export function timeOf(element: Element, name: string): number | undefined {
  const text = attributeOf(element, name);
  if (text === undefined) return undefined;
  const ms = INSTANT.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? refuse(`${name} is not a time in UTC`) : ms;
}

export const theTimeOf = (element: Element, name: string): number =>
  timeOf(element, name) ?? refuse(`${element.local} has no ${name}`);

/** Refuses what has not begun, or has ended. */
export function checkPeriod(element: Element, { now, skewMs }: Clock): void {
  const from = timeOf(element, 'NotBefore');
  const until = timeOf(element, 'NotOnOrAfter');
  if (from !== undefined && now + skewMs < from) refuse('it is not valid yet; compare the clocks');
  if (until !== undefined && now - skewMs >= until) refuse('it has expired; compare the clocks');
}

/** Refuses what claims to come from the future. */
export function checkPast(element: Element, name: string, { now, skewMs }: Clock): number {
  const at = theTimeOf(element, name);
  return at > now + skewMs ? refuse(`its ${name} is in the future; compare the clocks`) : at;
}
