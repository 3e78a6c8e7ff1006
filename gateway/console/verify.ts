import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Run } from '#src/audit/verification.ts';
import type { Caller } from '../api/authenticate.ts';
import { notFound, Problem } from '../api/problem.ts';
import { recordLook } from '../api/reading.ts';
import { maySeeAllRecords, maySeeRecord } from '../api/rights.ts';
import { parse } from '../api/route.ts';
import type { Checked, Verifier } from '../verify.ts';
import { formFields } from './multipart.ts';
import { verifyPage } from './pages/verify.ts';
import type { ConsoleParts } from './parts.ts';

/** A record of a megabyte is as much as a proof holds. */
const BODY_BYTES = 2_097_152;
const TYPED_MOST = 4_000;

const checkForm = z.object({
  csrf: z.string(),
  text: z.string().default(''),
  file: z.string().default(''),
});
const ownForm = z.strictObject({ csrf: z.string() });

type Exchange = { readonly request: FastifyRequest; readonly reply: FastifyReply };
type Said = Pick<Parameters<typeof verifyPage>[0], 'checked' | 'problem' | 'typed'>;

/** The page Verify, and what its forms do. Each verification is a look. */
export function verifyRoutes(app: FastifyInstance, parts: ConsoleParts): void {
  const { guard } = parts;
  const { verifier } = parts.deps;
  if (!verifier) return;
  const signedIn =
    (work: (caller: Caller, exchange: Exchange) => Promise<FastifyReply>) =>
    async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
      const caller = await guard.signedIn(request);
      return caller
        ? work(caller, { request, reply })
        : reply.redirect(`/sign-in?next=${encodeURIComponent('/verify')}`, 303);
    };

  app.get(
    '/verify',
    signedIn((caller, exchange) => show(parts, verifier, caller, exchange)),
  );
  app.get(
    '/verify/trust',
    signedIn(async (_caller, { reply }) =>
      reply.type('text/plain; charset=utf-8').send(await verifier.trust()),
    ),
  );
  app.post(
    '/verify/run',
    signedIn(async (caller, exchange) => {
      demandAll(caller, exchange, parts);
      await begin(parts, verifier, caller);
      return exchange.reply.redirect('/verify#whole', 303);
    }),
  );
  app.post(
    '/verify/cancel',
    signedIn(async (caller, exchange) => {
      demandAll(caller, exchange, parts);
      await verifier.cancel();
      return exchange.reply.redirect('/verify#whole', 303);
    }),
  );
  void app.register((files, _options, done) => {
    files.addContentTypeParser(
      'multipart/form-data',
      { parseAs: 'buffer', bodyLimit: BODY_BYTES },
      (request, body, parsed) =>
        parsed(
          null,
          Buffer.isBuffer(body) ? formFields(body, request.headers['content-type']) : undefined,
        ),
    );
    files.post(
      '/verify/check',
      { bodyLimit: BODY_BYTES },
      signedIn((caller, exchange) => check(parts, verifier, caller, exchange)),
    );
    done();
  });
}

async function show(
  { deps, render }: ConsoleParts,
  verifier: Verifier,
  caller: Caller,
  { request, reply }: Exchange,
  said: Said & { readonly status?: number } = {},
): Promise<FastifyReply> {
  const { status = 200, ...rest } = said;
  const page = verifyPage({
    state: await verifier.state(),
    formToken: render.formToken(request, reply),
    all: maySeeAllRecords(caller.person),
    run: verifier.run(),
    publicUrl: deps.publicUrl,
    served: deps.servesLog === true,
    ...rest,
  });
  return render.page(request, reply, page, { status, caller });
}

/** Those who may read every record may have all of them verified. */
function demandAll(caller: Caller, { request }: Exchange, { guard }: ConsoleParts): void {
  const { csrf } = parse(ownForm, request.body, 'form');
  guard.demandOwnForm(request, csrf);
  if (!maySeeAllRecords(caller.person))
    throw new Problem(
      403,
      'not-allowed',
      'Members of dba, security and oncall have the whole log verified. You can check proofs here.',
    );
}

async function begin(
  { deps }: ConsoleParts,
  verifier: Verifier,
  { person }: Caller,
): Promise<void> {
  if (verifier.run()?.endedAt === undefined && verifier.run()) return;
  const reader = { person, via: 'console' } as const;
  await recordLook(deps, reader, { looked: 'verification', of: 'log' });
  await verifier.start(person.email, (run) =>
    deps.audit.later({
      kind: 'look',
      person: person.email,
      body: { via: 'console', looked: 'verification', of: 'log', ...outcome(run) },
    }),
  );
}

function outcome({ step }: Run): { readonly ended: string; readonly problems?: number } {
  if (step.phase === 'done')
    return {
      ended: step.problems.length === 0 ? 'holds' : 'fails',
      problems: step.problems.length,
    };
  return { ended: step.phase };
}

async function check(
  parts: ConsoleParts,
  verifier: Verifier,
  caller: Caller,
  exchange: Exchange,
): Promise<FastifyReply> {
  const { csrf, text, file } = parse(checkForm, exchange.request.body, 'form');
  parts.guard.demandOwnForm(exchange.request, csrf);
  const pasted = (file === '' ? text : file).replaceAll('\r\n', '\n').trim();
  const typed = text.slice(0, TYPED_MOST);
  try {
    const { checked, about } = await checkedOf(parts, verifier, caller, pasted);
    await recordLook(
      parts.deps,
      { person: caller.person, via: 'console' },
      { looked: 'verification', ...about, holds: checked.problems.length === 0 },
    );
    return await show(parts, verifier, caller, exchange, { checked, typed });
  } catch (error) {
    if (!(error instanceof Problem) || error.status >= 500) throw error;
    const { status, message } = error;
    return show(parts, verifier, caller, exchange, { problem: message, typed, status });
  }
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

type About = { readonly of: string; readonly record?: string };

async function checkedOf(
  { deps }: ConsoleParts,
  verifier: Verifier,
  { person }: Caller,
  pasted: string,
): Promise<{ readonly checked: Checked; readonly about: About }> {
  if (pasted === '')
    throw new Problem(
      422,
      'nothing-given',
      'Paste a proof, a checkpoint or an id, or choose a file.',
    );
  if (UUID.test(pasted)) {
    const id = pasted.toLowerCase();
    const record = await deps.records.get(id);
    if (!record || !maySeeRecord(person, record)) throw notFound('record');
    const checked = await verifier.record(id);
    if (!checked)
      throw new Problem(
        409,
        'not-signed',
        'The record is durable, and not signed yet; try again in a second.',
      );
    return { checked, about: { of: 'record', record: id } };
  }
  // Whoever copies it out of a message or a page loses the last line end.
  const checked = await verifier.check(`${pasted}\n`);
  return {
    checked,
    about: {
      of: checked.what,
      ...(checked.what === 'proof' && { record: checked.leaf.id }),
    },
  };
}
