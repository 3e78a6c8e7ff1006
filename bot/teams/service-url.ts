/**
 * Whether `address` lies below one that is allowed: the same scheme, host and port, and the path at a slash. An activity
 * says where its answers go, and whoever made it up would have our token sent there.
 */
export function isAllowed(address: string, allowed: readonly string[]): boolean {
  const url = parsed(address);
  return url !== undefined && allowed.some((one) => isBelow(url, parsed(one)));
}

/** With a slash at its end, so that what follows is below it. */
export function baseOf(address: string): string {
  return address.endsWith('/') ? address : `${address}/`;
}

function parsed(address: string): URL | undefined {
  const url = URL.parse(baseOf(address));
  if (!url || url.username !== '' || url.password !== '') return undefined;
  return url.search === '' && url.hash === '' ? url : undefined;
}

function isBelow(url: URL, base: URL | undefined): boolean {
  return base !== undefined && url.origin === base.origin && url.pathname.startsWith(base.pathname);
}
