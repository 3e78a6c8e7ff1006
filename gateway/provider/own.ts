import type { IncomingMessage } from 'node:http';
import { isLoopback } from '#src/config/units.ts';

/** What a proxy adds: behind one, the other end of the connection is not where the request came from. */
const FORWARDED = [
  'forwarded',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-real-ip',
];

/**
 * Why this request does not come from a browser of this machine that looks for us; undefined when it does. The Host is
 * compared as a whole: a foreign name that leads here (DNS rebinding) is another one.
 */
export function foreign(request: IncomingMessage, issuer: URL): string | undefined {
  const { remoteAddress, localAddress } = request.socket;
  if (!isOurs(remoteAddress) || !isOurs(localAddress))
    return 'The embedded provider answers on this machine only.';
  if (request.headers.host !== issuer.host)
    return `The embedded provider is at ${issuer.origin}: open it there.`;
  if (FORWARDED.some((name) => request.headers[name] !== undefined))
    return 'The embedded provider does not answer behind a proxy.';
  return undefined;
}

const isOurs = (address: string | undefined): boolean =>
  address !== undefined && isLoopback(address.replace(/^::ffff:/, ''));

/** A form of ours is sent by a page of ours: no other page may pick a person. */
export function isOwnForm({ headers }: IncomingMessage, issuer: URL): boolean {
  const site = headers['sec-fetch-site'];
  return headers.origin === issuer.origin && (site === undefined || site === 'same-origin');
}
