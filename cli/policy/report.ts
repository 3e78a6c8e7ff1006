import { printable, type Terminal } from '../terminal.ts';
import type { CaseResult, FileResult } from './runner.ts';
import { masksOf } from './words.ts';

export type Summary = {
  readonly files: readonly FileResult[];
  /** Rules that applied in no case, with their file. */
  readonly idle: readonly { readonly id: string; readonly file: string }[];
  readonly passed: number;
  readonly failed: number;
  readonly ms: number;
};

export function summarise(files: readonly FileResult[], ms: number): Summary {
  const rules = new Map(files.flatMap((file) => [...file.rules]));
  const exercised = new Set(files.flatMap((file) => [...file.exercised]));
  const cases = files.flatMap((file) => file.cases);
  const failed = cases.filter((one) => one.failures.length > 0).length;
  return {
    files,
    idle: [...rules].filter(([id]) => !exercised.has(id)).map(([id, file]) => ({ id, file })),
    passed: cases.length - failed,
    failed,
    ms,
  };
}

export function printSummary(
  { files, idle, passed, failed, ms }: Summary,
  terminal: Terminal,
): void {
  for (const { file, cases } of files) {
    terminal.out(file);
    for (const one of cases) printCase(one, terminal);
  }
  if (idle.length > 0) {
    terminal.out('');
    terminal.out(terminal.paint('yellow', 'rules that no case exercised:'));
    for (const { id, file } of idle) terminal.out(`  ${file}: ${id}`);
  }
  const counts = `${passed} passed, ${failed} failed (${(ms / 1_000).toFixed(1)} s)`;
  terminal.out('');
  terminal.out(terminal.paint(failed > 0 ? 'red' : 'green', counts));
}

function printCase({ name, failures }: CaseResult, terminal: Terminal): void {
  const mark = failures.length > 0 ? terminal.paint('red', '✘') : terminal.paint('green', '✔');
  terminal.out(`  ${mark} ${printable(name)}`);
  for (const line of failures) terminal.out(`      ${printable(line)}`);
}

/** For scripts. */
export function jsonOf({ files, idle, ...counts }: Summary): unknown {
  return {
    ...counts,
    files: files.map(({ file, cases }) => ({
      file,
      cases: cases.map(({ name, failures, verdict, ms }) => ({
        name,
        ok: failures.length === 0,
        failures,
        ms: Math.round(ms),
        ...(verdict && {
          verdict: verdict.kind,
          rules: verdict.rules,
          masks: Object.fromEntries(masksOf(verdict)),
        }),
      })),
    })),
    idle,
  };
}

/** JUnit's XML, as CI servers read it. */
export function junitOf({ files, passed, failed, ms }: Summary): string {
  const suites = files.map(({ file, cases }) => {
    const lines = cases.map((one) => junitCase(file, one));
    const bad = cases.filter((one) => one.failures.length > 0).length;
    return `  <testsuite name="${xml(file)}" tests="${cases.length}" failures="${bad}">\n${lines.join('\n')}\n  </testsuite>`;
  });
  const head = `<testsuites name="countersign policy test" tests="${passed + failed}" failures="${failed}" time="${seconds(ms)}">`;
  return ['<?xml version="1.0" encoding="UTF-8"?>', head, ...suites, '</testsuites>', ''].join(
    '\n',
  );
}

function junitCase(file: string, { name, failures, ms }: CaseResult): string {
  const head = `    <testcase classname="${xml(file)}" name="${xml(name)}" time="${seconds(ms)}"`;
  if (failures.length === 0) return `${head}/>`;
  const [first = '', ...rest] = failures.map(xml);
  return `${head}>\n      <failure message="${first}">${rest.join('\n')}</failure>\n    </testcase>`;
}

const seconds = (ms: number): string => (ms / 1_000).toFixed(3);

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};

/** XML 1.0 has no place for control characters. */
const xml = (text: string): string =>
  printable(text).replaceAll(/[&<>"]/g, (char) => ENTITIES[char] ?? char);
