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
  'appPassword',
  'connectionString',
  'url',
  'query',
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
    serializers: { err: errorFacts },
    // Process id and host name are the supervisor's to add.
    base: null,
  };
  return destination ? pino(options, destination) : pino(options);
}

/** Classes of SQLSTATE whose messages speak of servers, roles and connections, and never quote a value or a statement. */
const PLAIN_CLASSES = new Set(['08', '28', '3D', '53', '55', '57', '58', 'XX']);
const CAUSES = 4;

type ErrorFacts = {
  readonly type: string;
  readonly message?: string;
  readonly code?: string;
  readonly stack?: string;
  readonly cause?: ErrorFacts;
};

/**
 * What the log may hold of an error. Only named fields: drivers hang whole connections on their errors. A database's
 * message may quote a value of a row or a literal, so most of them are replaced by their SQLSTATE.
 */
export function errorFacts(error: unknown, depth = 0): ErrorFacts {
  if (!(error instanceof Error)) return { type: typeof error };
  const code = codeOf(error);
  const quotes = 'severity' in error && !PLAIN_CLASSES.has(code?.slice(0, 2) ?? '');
  const stack = framesOf(error);
  const cause = depth < CAUSES ? error.cause : undefined;
  return {
    type: error.name,
    ...(!quotes && { message: error.message }),
    ...(code !== undefined && { code }),
    ...(stack !== '' && { stack }),
    ...(cause !== undefined && { cause: errorFacts(cause, depth + 1) }),
  };
}

function codeOf(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** The stack without its first lines, which repeat the message. */
function framesOf(error: Error): string {
  // The message may hold lines that look like frames.
  const frames = error.stack?.replace(error.message, '').match(/^\s+at .*$/gm) ?? [];
  return frames.slice(0, 12).join('\n').trim();
}
