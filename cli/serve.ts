import { closeSync, openSync } from 'node:fs';
import type { ServeOptions } from '#gateway/core.ts';
import type { RunningPart } from '#gateway/main.ts';
import type { Config } from '#src/config/config.ts';
import { openLogger } from '#src/config/logger.ts';
import { schemaFile } from '#src/config/reference.ts';
import { StartError } from '#src/store/start-error.ts';
import { parse, type Command, type Options } from './command.ts';
import { EXIT, Failure, usageFailure } from './failure.ts';
import { CONFIG_OPTION, openConfig } from './installation.ts';
import { logTo, prettyLog } from './log.ts';
import type { Terminal } from './terminal.ts';

const OPTIONS = {
  ...CONFIG_OPTION,
  only: {
    type: 'string',
    value: 'PART',
    about: 'run a part alone: gateway (with the console) or bot',
  },
  name: {
    type: 'string',
    value: 'NAME',
    about:
      'of this process; several on one store need one each (default: name in the configuration)',
  },
  schema: { type: 'boolean', about: 'print the JSON Schema of the configuration, and end' },
} as const satisfies Options;

export const serveCommand: Command = {
  usage: ['serve [--config FILE] [--only gateway|bot] [--name NAME]', 'serve --schema'],
  about:
    'Runs the gateway, the bot and the console until SIGINT or SIGTERM; what is held then is withdrawn.\n' +
    'Rules and configuration are read again when their files change, and at SIGHUP; what does not load changes nothing.\n' +
    'The log goes to standard output: JSON lines, or readable ones on a terminal.',
  options: OPTIONS,
  run: runServe,
};

/** After a signal the gateway drains; a supervisor that waits longer than this would kill it anyway. */
const STOP_MS = 10_000;
const LINGER_MS = 500;

async function runServe(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS);
  if (positionals.length > 0) throw usageFailure(`what is ${positionals.join(' ')}?`, 'see --help');
  if (values.schema) {
    terminal.out(schemaFile().trimEnd());
    return EXIT.done;
  }
  const { path, config } = await openConfig(values.config);
  const lines = terminal.width === undefined ? logTo(process.stdout.fd) : prettyLog(terminal);
  const log = openLogger(config.log.level, lines);
  const stop = stopSignal();
  const running = await start(values.only, config, {
    log,
    ...(values.name !== undefined && { name: values.name }),
  });
  for (const notice of config.notices) log.warn(notice);
  const { console, postgres } = { console: undefined, postgres: undefined, ...running };
  log.info({ config: path, only: values.only, console, postgres }, 'ready');
  stop.onHangUp(() => void running.reload());
  const why = await Promise.race([stop.came, running.lost]);
  if (typeof why === 'string')
    log.info({ signal: why }, 'stopping: what is held ends, and nothing of it will run');
  const late = setTimeout(() => {
    log.error('the gateway did not stop in time');
    process.exit(EXIT.failed);
  }, STOP_MS).unref();
  await running.stop();
  clearTimeout(late);
  stop.dispose();
  log.info('stopped');
  const code = typeof why === 'string' ? EXIT.done : EXIT.failed;
  // A call to a chat that does not answer would keep the process until it times out.
  setTimeout(() => process.exit(code), LINGER_MS).unref();
  return code;
}

async function start(
  only: string | undefined,
  config: Config,
  options: ServeOptions,
): Promise<RunningPart> {
  if (only !== undefined && only !== 'gateway' && only !== 'bot')
    throw usageFailure(`there is no part ${only}`, 'it is gateway or bot');
  const { serve, serveBot } = await import('#gateway/main.ts');
  const starting =
    only === 'bot'
      ? serveBot(config, options)
      : serve(config, { ...options, bot: only === undefined });
  return starting.catch((error: unknown) => {
    throw startFailure(error);
  });
}

type StopSignal = {
  readonly came: Promise<string>;
  /** Called at SIGHUP, unless it says that the terminal is gone, which is a stop. */
  onHangUp(listener: () => void): void;
  dispose(): void;
};

/** Listening from the start, so that a signal during a slow start is not lost. */
function stopSignal(): StopSignal {
  // The launcher ends the channel when it dies itself.
  const events = ['SIGINT', 'SIGTERM', 'disconnect'] as const;
  const { promise, resolve } = Promise.withResolvers<string>();
  const onTerminal = process.stdout.isTTY;
  let reload: (() => void) | undefined;
  const hangUp = (): void => (onTerminal && terminalGone() ? resolve('SIGHUP') : reload?.());
  for (const event of events) process.on(event, resolve);
  process.on('SIGHUP', hangUp);
  return {
    came: promise,
    onHangUp(listener) {
      reload = listener;
    },
    dispose() {
      for (const event of events) process.off(event, resolve);
      process.off('SIGHUP', hangUp);
    },
  };
}

/** A process whose terminal was closed has none any more (ENXIO). */
function terminalGone(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return false;
  } catch {
    return true;
  }
}

function startFailure(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if (error.name === 'PolicyProblems')
    return usageFailure(error.message, 'countersign policy check says the same without starting');
  if (error instanceof StartError)
    return new Failure(error.message, { hint: error.hint, cause: error });
  const code = 'code' in error ? error.code : undefined;
  const port = 'port' in error ? String(error.port) : '';
  if (code === 'EADDRINUSE')
    return new Failure(`port ${port} is taken`, {
      hint: 'stop what listens there, or change listen: in the configuration',
      cause: error,
    });
  if (code === 'EACCES')
    return new Failure(`port ${port} may not be used by this user`, {
      hint: 'choose one above 1023 under listen:',
      cause: error,
    });
  return error;
}
