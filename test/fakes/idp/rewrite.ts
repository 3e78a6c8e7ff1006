import type { ServerResponse } from 'node:http';
import type { Claims } from './shapes.ts';

/** Changes the JSON object that is about to be sent with a 200; everything else goes out as it is. */
export function rewriteJson(
  response: ServerResponse,
  change: (body: Claims) => Promise<Claims> | Claims,
): void {
  const end = response.end.bind(response) as (chunk?: unknown) => ServerResponse;
  const rewritten = async (chunk: string | Buffer): Promise<string> => {
    const text = JSON.stringify(await change(JSON.parse(chunk.toString())));
    response.setHeader('content-length', Buffer.byteLength(text));
    return text;
  };
  response.end = ((chunk?: unknown) => {
    const isBody = typeof chunk === 'string' || Buffer.isBuffer(chunk);
    if (response.statusCode !== 200 || !isBody) return end(chunk);
    rewritten(chunk).then(end, (error: unknown) => response.destroy(error as Error));
    return response;
  }) as ServerResponse['end'];
}
