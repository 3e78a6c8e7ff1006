import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGateway, type TestGatewayOptions, type Who } from '../fakes/gateway.ts';
import { need } from '../fakes/need.ts';
import { type Program, startProgram } from '../fakes/terminal.ts';

export const PSQL = need('psql') ?? 'psql';

/** A gateway, a folder for files, and psql as its people run it. */
export async function startPsqlKit(options: TestGatewayOptions = {}) {
  const gateway = await startGateway(options);
  const folder = await mkdtemp(join(tmpdir(), 'countersign-psql-'));
  const programs: Program[] = [];
  const envOf = async (who: Who, more: NodeJS.ProcessEnv = {}) => ({
    PATH: process.env['PATH'],
    PGPASSWORD: await gateway.token(who),
    ...more,
  });
  const launch = (file: string, args: readonly string[], env: NodeJS.ProcessEnv): Program => {
    const program = startProgram(file, args, { env });
    programs.push(program);
    return program;
  };
  const kit = {
    gateway,
    folder,
    where: (who: Who, more = '') =>
      `host=127.0.0.1 port=${gateway.running.postgres.port} user=${who}@example.com dbname=shop ${more}`,
    async start(who: Who, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Program> {
      return launch(PSQL, ['-X', ...args], await envOf(who, env));
    },
    /** psql to its end, with these statements. */
    async psql(who: Who, ...sql: string[]) {
      const program = await kit.start(who, [kit.where(who), ...sql.flatMap((one) => ['-c', one])]);
      const code = await program.done;
      return { code, ...program.said };
    },
    /** psql that waits for approval, after it has said so. */
    async held(who: Who, sql: string, ...args: string[]) {
      const program = await kit.start(who, [kit.where(who), ...args, '-c', sql]);
      await program.prints('NOTICE');
      const { id } = await gateway.pending();
      return { ...program, id: String(id) };
    },
    /** psql at a terminal of its own, as a person has it. */
    async atTerminal(who: Who): Promise<Program> {
      const args = ['-qfec', `${PSQL} -X -P pager=off "${kit.where(who)}"`, '/dev/null'];
      return launch('script', args, await envOf(who, { TERM: 'dumb', SHELL: '/bin/sh' }));
    },
    /** How many statements with this text have reached the target. */
    ran: async (part: string) =>
      (await gateway.ranOnTarget()).filter((sql) => sql.includes(part)).length,
    state: async (id: string) => (await gateway.api('approver', `/requests/${id}`)).body.state,
    async stop() {
      for (const { child } of programs) child.kill('SIGKILL');
      await gateway.stop();
      await rm(folder, { recursive: true });
    },
  };
  return kit;
}

export type PsqlKit = Awaited<ReturnType<typeof startPsqlKit>>;
