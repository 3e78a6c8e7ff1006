import type { Step } from './gate-world.ts';

/** Every run is behind a record of its own statement that lets it run, and no statement ran twice. */
export function unrecordedRuns(trace: readonly Step[]): readonly string[] {
  const may = new Set<string>();
  const ran = new Set<string>();
  const wrong: string[] = [];
  for (const step of trace) {
    if (step.kind === 'record') {
      const { verdict, statement, binds } = step.entry;
      const lets = verdict === 'allow' || verdict === 'approved';
      if (lets && binds?.verdict === verdict && statement) may.add(statement);
    } else if (!may.has(step.permit.statement)) wrong.push(`no record before: ${step.text}`);
    else if (ran.has(step.permit.statement)) wrong.push(`twice: ${step.text}`);
    else ran.add(step.permit.statement);
  }
  return wrong;
}
