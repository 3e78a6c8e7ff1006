/** Where something listens or is reached. */
export type Address = { readonly host: string; readonly port: number };

const sizes: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1_000,
  MB: 1_000_000,
  GB: 1_000_000_000,
  KiB: 1 << 10,
  MiB: 1 << 20,
  GiB: 1 << 30,
};

/** `512KiB`, `1MiB`, `2GB` in bytes; undefined for anything else and for zero. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d{1,9})(B|kB|MB|GB|KiB|MiB|GiB)$/.exec(text);
  const unit = sizes[match?.[2] ?? ''];
  if (!match || unit === undefined) return undefined;
  return Number(match[1]) * unit || undefined;
}

/** `400d` in days; undefined for anything else, zero, and more than a hundred years. */
export function parseDays(text: string): number | undefined {
  const days = Number(/^(\d{1,5})d$/.exec(text)?.[1]);
  return days > 0 && days <= 36_500 ? days : undefined;
}

/** `127.0.0.1:6432`, `db.internal:5432`, `[::1]:6432`; undefined for anything else. Port 0 takes a free one. */
export function parseAddress(text: string): Address | undefined {
  const match = /^(?:\[([\da-fA-F:.]+)\]|([\w.-]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host === undefined || port > 65_535 ? undefined : { host, port };
}

export function isTimeZone(text: string): boolean {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: text }).format(0) !== '';
  } catch {
    return false;
  }
}

/** Of this machine alone: 127.0.0.0/8, ::1, localhost. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
