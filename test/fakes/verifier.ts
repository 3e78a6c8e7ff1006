import { readFile } from 'node:fs/promises';
import type { Verifier } from '#gateway/verify.ts';
import { verifyProof } from '#src/audit/tree/record-proof.ts';
import { parseTrust } from '#src/audit/tree/trust.ts';
import type { Run } from '#src/audit/verification.ts';

const LOG = new URL('../fixtures/log/', import.meta.url);
const read = (name: string): Promise<string> => readFile(new URL(name, LOG), 'utf8');

/** The log of test/fixtures/log, with an anchor that fails and something found; `run` is what the test sets it to. */
export function fakeVerifier(): Verifier & { now: Run | undefined } {
  const fake: Verifier & { now: Run | undefined } = {
    now: undefined,
    async state() {
      return {
        size: 1_000_264,
        waiting: 3,
        checkpoint: {
          size: 1_000_000,
          at: '2026-11-20T20:14:03.000Z',
          root: 'qfIwDGb+0WVPSo2Cv61vubWy44nCIG6tJnpec9raZ5w=',
          signers: ['vectors.example.com/log', 'witness.example.com/w1'],
          note: await read('checkpoint'),
        },
        witnessed: 999_000,
        anchors: [
          {
            place: 'git',
            size: 900_000,
            at: '2026-11-20T19:00:00.000Z',
            reference: 'a'.repeat(40),
            age: 4_443,
            problem: `git push ended with 1: ${'w'.repeat(150)}`,
          },
          { place: 'room', age: 0 },
        ],
        findings: ['gateway-b has written nothing for 312 s'],
      };
    },
    trust: () => read('trust'),
    async check(text) {
      try {
        return { what: 'proof', ...verifyProof(text, parseTrust(await read('trust'))) };
      } catch (error) {
        return { what: 'nothing', problems: [String(error)] };
      }
    },
    record: () => Promise.resolve(undefined),
    run: () => fake.now,
    start(by) {
      fake.now = runOf({ phase: 'chains', done: 250_000, of: 1_000_264 }, by);
      return Promise.resolve(true);
    },
    cancel() {
      fake.now = runOf({ phase: 'cancelled' });
      return Promise.resolve();
    },
  };
  return fake;
}

export const runOf = (step: Run['step'], by = 'approver@example.com'): Run => ({
  by,
  startedAt: '2026-11-20T20:15:00.000Z',
  step,
  ...(['done', 'failed', 'cancelled'].includes(step.phase) && {
    endedAt: '2026-11-20T20:17:00.000Z',
  }),
});
