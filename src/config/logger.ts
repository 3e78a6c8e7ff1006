import { pino, type DestinationStream, type Logger } from 'pino';

/** Keys that carry secrets or values; whatever logs an object with one of them loses it. */
const SECRET_KEYS = [
  'password',
  'token',
  'secret',
  'authorization',
  'cookie',
  'botToken',
  'appToken',
  'signingSecret',
  'connectionString',
  'url',
  // PostgreSQL's errors quote values of rows, and node-postgres keeps the statement beside them.
  'detail',
  'where',
  'query',
  'internalQuery',
  'parameters',
];

/** The product's own log: JSON lines to stdout, or to `destination`. */
export function openLogger(level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    redact: {
      paths: SECRET_KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]),
      censor: '[redacted]',
    },
    // Process id and host name are the supervisor's to add.
    base: null,
  };
  return destination ? pino(options, destination) : pino(options);
}
