import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Scope, Tokens } from '#src/identity/token.ts';
import { writePrivate } from './files.ts';
import { emailOf, PEOPLE } from './plan.ts';

const Person = z.object({
  email: z.string(),
  groups: z.array(z.string()),
  token: z.string(),
  decideToken: z.string(),
});

/** `.countersign/demo.json`; a part appears once it exists. */
const Facts = z.object({
  console: z.string(),
  api: z.string(),
  postgres: z.object({ host: z.string(), port: z.number(), database: z.string() }),
  issuer: z.string(),
  people: z.record(z.string(), Person),
});
export type Facts = z.infer<typeof Facts>;

const LIFETIME_MS = 30 * 24 * 60 * 60 * 1000;

/** Issues what is missing or over, keeps the rest: a token that was pasted somewhere survives a restart. */
export async function writeFacts(
  path: string,
  where: Omit<Facts, 'people'>,
  tokens: Tokens,
): Promise<Facts> {
  const old = await readFacts(path);
  const people: Facts['people'] = {};
  for (const [key, { groups }] of Object.entries(PEOPLE)) {
    const email = emailOf(key);
    const keep = old?.people[key]?.email === email ? old.people[key] : undefined;
    people[key] = {
      email,
      groups: [...groups],
      token: await live(tokens, keep?.token, email, ['connect', 'read']),
      decideToken: await live(tokens, keep?.decideToken, email, ['decide', 'read']),
    };
  }
  const facts = { ...where, people };
  await writePrivate(path, `${JSON.stringify(facts, undefined, 2)}\n`);
  return facts;
}

async function readFacts(path: string): Promise<Facts | undefined> {
  try {
    return Facts.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    // Missing or of another version: it is written anew.
    return undefined;
  }
}

async function live(
  tokens: Tokens,
  token: string | undefined,
  email: string,
  scopes: readonly [Scope, ...Scope[]],
): Promise<string> {
  if (token !== undefined && (await tokens.check(token, scopes[0]))?.person === email) return token;
  return (await tokens.issue(email, scopes, 'demo', LIFETIME_MS)).token;
}
