/**
 * The fields of a form with a file (RFC 7578): each name's last text that is not empty. Enough for a form of ours, whose
 * values are text; undefined for what is no such form.
 */
export function formFields(
  body: Buffer,
  contentType: string | undefined,
): Readonly<Record<string, string>> | undefined {
  const [, quoted, plain] =
    /^multipart\/form-data;.*\bboundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(
      contentType ?? '',
    ) ?? [];
  const boundary = quoted ?? plain;
  if (boundary === undefined) return undefined;
  const fields = new Map<string, string>();
  // As latin1 each byte is a character, so that nothing is lost before the parts are apart.
  for (const part of `\r\n${body.toString('latin1')}`.split(`\r\n--${boundary}`).slice(1, -1)) {
    const split = part.indexOf('\r\n\r\n');
    const [, name] =
      /^content-disposition:.*;\s*name="([\w-]+)"/im.exec(part.slice(0, split)) ?? [];
    if (split < 0 || name === undefined) return undefined;
    const value = Buffer.from(part.slice(split + 4), 'latin1').toString('utf8');
    if (value !== '' || !fields.has(name)) fields.set(name, value);
  }
  return Object.fromEntries(fields);
}
