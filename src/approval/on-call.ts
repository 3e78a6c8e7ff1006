import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { RotaConfig } from '../config/beside.ts';
import { ON_CALL } from '../policy/who.ts';
import type { OnCall } from './standing.ts';
import { sameKey } from './tally.ts';

const run = promisify(execFile);
const KEPT_MS = 60_000;
/** So that a command that fails is asked again soon, and not at every vote. */
const FAILED_MS = 5_000;
const TIMEOUT_MS = 10_000;
const MOST = 200;
const ADDRESS = /^[^\s@]+@[^\s@]+$/;

type Answer = { readonly people: ReadonlySet<string>; readonly failed: boolean };
type Kept = { readonly asked: string; until: number; readonly answer: Promise<Answer> };

export type OpenOnCall = OnCall & {
  /** E-mail addresses of who is on call by this rota now; nobody where it cannot be told. */
  members(name: string): Promise<readonly string[]>;
};

/**
 * Who is on call now, by the rotas of the configuration. A command is asked at most once a minute; when it fails, takes
 * longer than 10 s or prints what is no address, nobody of it counts, and `failed` hears why.
 */
export function openOnCall({
  rotas,
  failed,
  now = Date.now,
}: {
  readonly rotas: () => ReadonlyMap<string, RotaConfig>;
  readonly failed: (rota: string, why: string) => void;
  readonly now?: () => number;
}): OpenOnCall {
  const kept = new Map<string, Kept>();

  const ask = async (name: string, command: string, folder: string): Promise<Answer> => {
    try {
      const options = { cwd: folder, timeout: TIMEOUT_MS, maxBuffer: 1 << 16 };
      const { stdout } = await run('/bin/sh', ['-c', command], {
        ...options,
        killSignal: 'SIGKILL',
      });
      const lines = stdout.split('\n').map((line) => line.trim());
      const people = lines.filter((line) => line !== '');
      if (people.length > MOST || !people.every((one) => ADDRESS.test(one)))
        throw new Error('it printed something else than e-mail addresses, one a line');
      return { people: new Set(people.map(sameKey)), failed: false };
    } catch (error) {
      // What it printed may be anything, and goes nowhere.
      failed(name, whyOf(error));
      return { people: new Set(), failed: true };
    }
  };

  const byCommand = (name: string, command: string, folder: string): Promise<Answer> => {
    const asked = `${folder}\0${command}`;
    const last = kept.get(name);
    if (last?.asked === asked && now() < last.until) return last.answer;
    const mine: Kept = {
      asked,
      until: Number.POSITIVE_INFINITY,
      answer: ask(name, command, folder),
    };
    kept.set(name, mine);
    return mine.answer.then((answer) => {
      mine.until = now() + (answer.failed ? FAILED_MS : KEPT_MS);
      return answer;
    });
  };

  const peopleOf = async (name: string): Promise<ReadonlySet<string>> => {
    const rota = rotas().get(name);
    if (!rota) return new Set();
    if ('command' in rota) return (await byCommand(name, rota.command, rota.folder)).people;
    const at = now();
    const shifts = rota.shifts.filter(({ from, until }) => from <= at && at < until);
    return new Set(shifts.flatMap(({ people }) => people.map(sameKey)));
  };

  return {
    async of(email) {
      const key = sameKey(email);
      const names = [...rotas().keys()];
      const found = await Promise.all(names.map((name) => peopleOf(name)));
      return names.filter((_, i) => found[i]?.has(key)).map((name) => ON_CALL + name);
    },
    members: async (name) => [...(await peopleOf(name))],
  };
}

function whyOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return 'it failed';
  if ('killed' in error && error.killed === true)
    return `it took longer than ${TIMEOUT_MS / 1_000} s`;
  if ('code' in error && typeof error.code === 'number') return `it ended with code ${error.code}`;
  if ('code' in error && error.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER')
    return 'it printed too much';
  return error instanceof Error && !('cmd' in error) ? error.message : 'it could not be run';
}
