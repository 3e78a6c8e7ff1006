// The gateway in a process of its own, so that its CPU and memory are its own. Arguments: configuration, name of this
// process, file for its log, and `real` or `faked` for the audit log.
import { pino } from 'pino';
import { serve } from '#gateway/main.ts';
import { Lane } from '#src/audit/lane.ts';
import { readConfig } from '#src/config/read.ts';

const [config = '', name = '', logFile = '', auditLog = ''] = process.argv.slice(2);
const HOUR_MS = 3_600_000;

const running = await serve(await readConfig(config), {
  name,
  log: pino({ level: 'warn' }, pino.destination({ dest: logFile })),
});
const end = (): void => void running.stop().finally(() => process.exit());
process.once('disconnect', end);
void running.lost.then(end);
const { token } = await running.tokens.issue('engineer@example.com', ['connect'], 'bench', HOUR_MS);
if (auditLog === 'faked') fakeAuditLog();
process.send?.({ port: running.postgres.port, token });

/** What is measured then is wire and verdict alone: a record is made, but neither sealed nor written. */
function fakeAuditLog(): void {
  Lane.prototype.write = () => Promise.resolve();
  Lane.prototype.transact = () => Promise.resolve();
}
