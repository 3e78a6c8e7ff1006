import { readFile } from 'node:fs/promises';
import { Agent, fetch as undiciFetch, type RequestInit } from 'undici';

const CONNECT_MS = 5_000;
const ANSWER_MS = 10_000;
/** Metadata, key sets and tokens are a few kilobytes. */
const MOST_BYTES = 1 << 20;

export type Fetch = typeof globalThis.fetch;

/**
 * A fetch for one provider: its own authority where one is configured (the file is read again for each new one of
 * these), short waits, no redirects, bounded answers.
 */
export async function providerFetch(caFile: string | undefined): Promise<Fetch> {
  const ca = caFile === undefined ? undefined : await readFile(caFile, 'utf8');
  const dispatcher = new Agent({
    connect: { timeout: CONNECT_MS, ...(ca !== undefined && { ca }) },
    headersTimeout: ANSWER_MS,
    bodyTimeout: ANSWER_MS,
    maxResponseSize: MOST_BYTES,
    // A connection that nobody uses must not keep the process.
    keepAliveTimeout: 1_000,
  });
  const options = { redirect: 'manual', dispatcher } as const;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- undici's own fetch, which has types of its own
  return ((input: string, init: RequestInit) =>
    undiciFetch(input, { ...init, ...options })) as unknown as Fetch;
}
