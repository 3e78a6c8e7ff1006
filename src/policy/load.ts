import { createHash } from 'node:crypto';
import {
  policySetTextToParts,
  policyToJson,
  validate,
  type DetailedError,
  type ValidationError,
} from '@cedar-policy/cedar-wasm/nodejs';
import { readTerms } from './annotations.ts';
import { factsUsed } from './ast.ts';
import { checkNames, indexNames, type KnownNames, type Names } from './check.ts';
import { CedarPolicy } from './evaluate.ts';
import type { Problem, Rule } from './rule.ts';
import { schemaText } from './schema.ts';

export type { Catalogued, KnownNames } from './check.ts';
export type { Problem } from './rule.ts';

export type PolicyFile = { readonly name: string; readonly text: string };

export type Loaded =
  | {
      readonly ok: true;
      readonly policy: CedarPolicy;
      /** File of each rule, by id. */
      readonly files: ReadonlyMap<string, string>;
      readonly warnings: readonly Problem[];
    }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** A rule with the place it was read from. */
type Placed = { readonly rule: Rule; readonly file: string; readonly line?: number };

/**
 * Makes a policy of Cedar texts, or says everything that is wrong with them. No rule is ever left out to make the
 * rest load: one problem refuses the whole version. Warnings are slips that can only make a rule stricter.
 */
export function loadPolicy(files: readonly PolicyFile[], known: KnownNames): Loaded {
  const names = indexNames(known);
  const problems: Problem[] = [];
  const warnings: Problem[] = [];
  const rules = new Map<string, Placed>();
  for (const file of files)
    for (const placed of readFile(file, problems)) {
      const { rule, line } = placed;
      const first = rules.get(rule.id);
      if (first)
        problems.push({
          ...place(file.name, rule.id, line),
          message: `@id("${rule.id}") is used twice, first in ${first.file}${first.line === undefined ? '' : ` line ${first.line}`}`,
          hint: 'give every rule an @id of its own',
        });
      else rules.set(rule.id, placed);
    }
  checkRules(rules, names, problems, warnings);
  if (rules.size === 0 && problems.length === 0)
    warnings.push({
      file: '',
      message: 'there is no rule, so everything is refused',
      hint: 'write a permit into a *.cedar file',
    });
  if (problems.length > 0) return { ok: false, problems: sorted(problems) };
  const policy = new CedarPolicy(
    rulesVersion(known.owners ? [...files, { name: '(owners)', text: known.owners.text }] : files),
    [...rules.values()].map((one) => one.rule),
    known.owners,
  );
  const placed = new Map([...rules].map(([id, { file }]) => [id, file]));
  return { ok: true, policy, files: placed, warnings: sorted(warnings) };
}

function place(file: string, id?: string, line?: number): Pick<Problem, 'file' | 'id' | 'line'> {
  return { file, ...(id !== undefined && { id }), ...(line !== undefined && { line }) };
}

function sorted(problems: readonly Problem[]): readonly Problem[] {
  return problems.toSorted((a, b) =>
    a.file === b.file ? (a.line ?? 0) - (b.line ?? 0) : a.file < b.file ? -1 : 1,
  );
}

/** SHA-256, hex, over the files in name order, each name and text with its length before it. */
export function rulesVersion(files: readonly PolicyFile[]): string {
  const hash = createHash('sha256');
  for (const { name, text } of files.toSorted((a, b) => (a.name < b.name ? -1 : 1)))
    for (const part of [name, text]) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  return hash.digest('hex');
}

function readFile(file: PolicyFile, problems: Problem[]): Placed[] {
  const parts = policySetTextToParts(file.text);
  if (parts.type === 'failure') {
    for (const error of parts.errors)
      problems.push({
        ...place(file.name, undefined, lineAt(file.text, error)),
        message: error.message,
        hint:
          error.help ??
          error.sourceLocations?.[0]?.label ??
          'write Cedar as in https://docs.cedarpolicy.com',
      });
    return [];
  }
  for (const template of parts.policy_templates)
    problems.push({
      ...place(file.name, undefined, lineOf(file.text, template)),
      message: 'templates (?principal, ?resource) are not used here',
      hint: 'name the principal and the resource in the rule',
    });
  return parts.policies.flatMap((text) => readRule(file, text, problems) ?? []);
}

function readRule(file: PolicyFile, text: string, problems: Problem[]): Placed | undefined {
  const answer = policyToJson(text);
  const line = lineOf(file.text, text);
  if (answer.type === 'failure') {
    const message = answer.errors.map((error) => error.message).join('; ');
    problems.push({ ...place(file.name, undefined, line), message, hint: 'write the rule anew' });
    return undefined;
  }
  const { json } = answer;
  // The types promise a string, but `@id` without a value is null.
  const id: unknown = json.annotations?.['id'];
  const { terms, complaints } = readTerms(json);
  const named =
    typeof id === 'string' && /^[\w./-]{1,100}$/.test(id) && !id.startsWith('countersign/');
  const at = place(file.name, typeof id === 'string' ? id : undefined, line);
  if (!named)
    problems.push({
      ...at,
      message: typeof id === 'string' ? `@id("${id}") cannot be used` : 'the rule has no @id',
      hint: 'put @id("words-like-this") before it: letters, digits, ".", "_", "-", "/", not under countersign/',
    });
  for (const complaint of complaints) problems.push({ ...at, ...complaint });
  if (!named) return undefined;
  const rule: Rule = { id, effect: json.effect, text, json, terms, facts: factsUsed(json) };
  return { rule, file: file.name, ...(line !== undefined && { line }) };
}

/** What needs all rules at once: the schema, and the names outside. */
function checkRules(
  rules: ReadonlyMap<string, Placed>,
  names: Names,
  problems: Problem[],
  warnings: Problem[],
): void {
  for (const { rule, file, line } of rules.values())
    for (const { harmless, message, hint } of checkNames(rule, names))
      (harmless ? warnings : problems).push({ ...place(file, rule.id, line), message, hint });
  const staticPolicies = Object.fromEntries([...rules].map(([id, { rule }]) => [id, rule.text]));
  const answer = validate({ schema: schemaText, policies: { staticPolicies } });
  if (answer.type === 'failure') {
    for (const { message } of answer.errors)
      problems.push({ file: '', message, hint: 'the rules could not be checked' });
    return;
  }
  checkSchema(
    rules,
    [...answer.validationErrors, ...answer.validationWarnings],
    problems,
    warnings,
  );
}

function checkSchema(
  rules: ReadonlyMap<string, Placed>,
  findings: readonly ValidationError[],
  problems: Problem[],
  warnings: Problem[],
): void {
  const said = new Set<string>();
  for (const { policyId, error } of withoutConsequences(findings)) {
    const placed = rules.get(policyId);
    // One slip is reported once for every action it could concern; one line of it is enough.
    const key = `${policyId} ${error.sourceLocations?.[0]?.start} ${error.message.split(' for Action')[0]}`;
    if (said.has(key)) continue;
    said.add(key);
    const mild = error.severity === 'warning' && !/impossible|unable to find/.test(error.message);
    const at = place(placed?.file ?? '', policyId, placed?.line);
    (mild ? warnings : problems).push({
      ...at,
      message: error.message.replace(/^for policy `[^`]*`, /, ''),
      hint: error.help ?? 'see the schema: countersign policy schema',
    });
  }
}

const isWarning = ({ error }: ValidationError): boolean => error.severity === 'warning';

/** That a rule with an error can never apply follows from the error, and need not be told. */
function withoutConsequences(findings: readonly ValidationError[]): readonly ValidationError[] {
  const wrong = new Set(findings.flatMap((one) => (isWarning(one) ? [] : one.policyId)));
  return findings.filter((one) => !isWarning(one) || !wrong.has(one.policyId));
}

/** 1-based line of an error; Cedar counts in bytes. */
function lineAt(text: string, error: DetailedError): number | undefined {
  const start = error.sourceLocations?.[0]?.start;
  if (start === undefined) return undefined;
  return Buffer.from(text).subarray(0, start).toString().split('\n').length;
}

/** 1-based line where a rule begins. */
function lineOf(text: string, rule: string): number | undefined {
  const at = text.indexOf(rule);
  return at < 0 ? undefined : text.slice(0, at).split('\n').length;
}
