import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { canonical } from '#src/audit/canonical.ts';
import { Malformed } from '#src/audit/tree/note.ts';
import { verifyProof } from '#src/audit/tree/record-proof.ts';
import type { Trust } from '#src/audit/tree/trust.ts';
import { usageFailure } from '../failure.ts';

export type BundleReport = {
  /** Lines whose record is as it was signed. */
  readonly records: number;
  /** `line 3: …`, at most 100; `wrong` counts all lines that are not. */
  readonly problems: readonly string[];
  readonly wrong: number;
};

const json = z.json();
const line = z.looseObject({
  id: z.string(),
  at: z.string(),
  kind: z.string(),
  writer: z.string(),
  hash: z.string(),
  session: z.string().optional(),
  statement: z.string().optional(),
  request: z.string().optional(),
  person: z.string().optional(),
  agent: z.string().optional(),
  target: z.string().optional(),
  verdict: z.string().optional(),
  body: z.record(z.string(), json).optional(),
  proof: z.string().nullable().optional(),
});
const end = z.object({ end: z.object({ records: z.int() }) });
const committed = z.looseObject({ body: z.record(z.string(), json) });
const MOST_SAID = 100;
const REPEATED = [
  'session',
  'statement',
  'request',
  'person',
  'agent',
  'target',
  'verdict',
] as const;

/** Checks an export with proofs, line by line, without asking anybody: each proof, and that the line says what it proves. */
export async function verifyBundle(path: string, trust: Trust): Promise<BundleReport> {
  const file = createReadStream(path);
  const lines = createInterface({ input: file, crlfDelay: Infinity });
  const problems: string[] = [];
  let [number, records, wrong] = [0, 0, 0];
  let told: number | undefined;
  const say = (problem: string): void => {
    wrong += 1;
    if (problems.length < MOST_SAID) problems.push(problem);
  };
  try {
    for await (const text of lines) {
      number += 1;
      const value = parsed(text);
      const last = end.safeParse(value).data;
      if (told !== undefined) say(`line ${number}: it comes after the end`);
      else if (last) told = last.end.records;
      else {
        const problem = lineProblem(value, trust);
        if (problem === undefined) records += 1;
        else say(`line ${number}: ${problem}`);
      }
    }
  } catch (cause) {
    throw usageFailure(`${path} cannot be read`, String(cause));
  }
  const found = told === undefined ? number : number - 1;
  if (told === undefined) say('the last line is missing, so the file is not complete');
  else if (told !== found) say(`${told} records were exported, and ${found} are here`);
  return { records, problems, wrong };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function lineProblem(value: unknown, trust: Trust): string | undefined {
  const { data } = line.safeParse(value);
  if (!data) return 'it is no exported record';
  if (typeof data.proof !== 'string')
    return `record ${data.id} has no proof: it was exported without, or before it was signed`;
  try {
    const { leaf, body, problems } = verifyProof(data.proof, trust);
    if (problems.length > 0) return `record ${data.id}: ${problems.join('; ')}`;
    const own = leaf.id === data.id && leaf.kind === data.kind && leaf.writer === data.writer;
    if (!own || leaf.time !== data.at) return `record ${data.id}: its proof is of another record`;
    if (body === undefined) return `record ${data.id}: its proof does not hold what it says`;
    return said(data, committed.parse(body));
  } catch (error) {
    if (error instanceof Malformed) return `record ${data.id}: ${error.message}`;
    throw error;
  }
}

/** What the line repeats of the record is what was committed to; what the export adds to it was never signed. */
function said(data: z.output<typeof line>, signed: z.output<typeof committed>): string | undefined {
  const same =
    data.body !== undefined &&
    canonical(data.body) === canonical(signed.body) &&
    REPEATED.every((name) => data[name] === signed[name]);
  return same ? undefined : `record ${data.id}: the line says something else than its proof`;
}
