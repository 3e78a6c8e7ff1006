import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { eventually, type TestGateway } from '../fakes/gateway.ts';

/** Makes the target's own log say which role ran each statement. Call before anything is sent. */
export async function keepLedger(gateway: TestGateway): Promise<void> {
  await gateway.targetSql.query(`alter system set log_line_prefix = '%m [%p] <%u> '`);
  await gateway.targetSql.query('select pg_reload_conf()');
  await eventually('the reload', async () => {
    const { rows } = await gateway.targetSql.query('show log_line_prefix');
    return rows[0].log_line_prefix.includes('%u') || undefined;
  });
}

// Executing a portal again only fetches what is left of it.
const LOGGED = /<gateway> LOG: {2}(?:statement|execute (?!fetch from)[^:]*): ([\s\S]*)$/;

/** Texts that the target ran for the gateway, as the target itself logged them, in order; also the gateway's own. */
export async function ranForGateway({ target }: TestGateway): Promise<string[]> {
  const log = await readFile(target.logFile, 'utf8');
  return log.split(/^(?=\d{4}-\d\d-\d\d )/m).flatMap((entry) => {
    const text = LOGGED.exec(entry)?.[1];
    return text === undefined ? [] : [told(text.trim().replaceAll('\n\t', '\n'))];
  });
}

const ESTIMATE = '/* countersign estimate */';
/** Estimates are made of people's statements, whose literals a record may hide: they are counted together. */
const told = (text: string): string => (text.startsWith(ESTIMATE) ? ESTIMATE : text);

type Judged = {
  text: string;
  readonly verdicts: string[];
  readonly outcomes: { readonly ok: boolean }[];
};

/**
 * What the target says it ran, against what the log says may run; neither believes the other. Every statement has one
 * record, every permitted one has one outcome, what ran was permitted, what is said to have succeeded ran, nothing ran
 * twice, and the chain verifies.
 */
export async function checkLedger(gateway: TestGateway): Promise<void> {
  const judged = await eventually('an outcome for everything that was permitted', async () => {
    const all = await statements(gateway);
    return [...all.values()].every((one) => !permitted(one) || one.outcomes.length > 0)
      ? all
      : undefined;
  });
  const may = allowances(judged);
  const ran = new Map<string, number>();
  for (const text of await ranForGateway(gateway)) ran.set(text, (ran.get(text) ?? 0) + 1);
  for (const [text, times] of ran) {
    const most = may.get(text)?.most ?? 0;
    assert.ok(times <= most, `ran ${times} times, permitted ${most} times: ${text}`);
  }
  for (const [text, { sure }] of may) {
    const times = ran.get(text) ?? 0;
    assert.ok(times >= sure, `succeeded ${sure} times, ran ${times} times: ${text}`);
  }
  await gateway.verify();
}

type Allowance = { readonly sure: number; readonly most: number };

/** How often each text must have run, and how often it may have. */
function allowances(judged: ReadonlyMap<string, Judged>): Map<string, Allowance> {
  const may = new Map<string, Allowance>();
  for (const [id, one] of judged) {
    const { text, verdicts, outcomes } = one;
    const said = verdicts.join(' ');
    const known = ['allow', 'deny', 'hold', 'hold approved', 'on a shape'];
    assert.ok(known.includes(said), `${id} ${text}: ${said}`);
    if (permitted(one)) {
      assert.equal(outcomes.length, 1, `${text} has ${outcomes.length} outcomes`);
      const { sure, most } = may.get(text) ?? { sure: 0, most: 0 };
      may.set(text, { sure: sure + (outcomes[0]?.ok ? 1 : 0), most: most + 1 });
    } else assert.ok(!outcomes.some(({ ok }) => ok), `${text} succeeded without a permit`);
  }
  return may;
}

const permitted = ({ verdicts }: Judged): boolean =>
  verdicts.some((verdict) => ['allow', 'approved', 'on a shape'].includes(verdict));

async function statements(gateway: TestGateway): Promise<Map<string, Judged>> {
  const found = new Map<string, Judged>();
  const rows = (await gateway.records()).filter((row) => row.statement !== null);
  for (const { statement, kind, verdict, json } of rows) {
    const one = found.get(statement) ?? { text: '', verdicts: [], outcomes: [] };
    found.set(statement, one);
    if (json.body.text !== undefined)
      one.text = told(json.body.text.replace(/\n-- \$1 = [\s\S]*$/, ''));
    // It names the request whose approval it rests on, and has no claim of its own.
    const rests = verdict === 'approved' && json.body.approval !== undefined;
    if (kind === 'statement') one.verdicts.unshift(rests ? 'on a shape' : verdict);
    if (kind === 'claim') one.verdicts.push(verdict);
    if (kind === 'outcome') one.outcomes.push(json.body);
  }
  return found;
}
