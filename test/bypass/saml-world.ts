import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import type { SamlConfig } from '#src/config/identity.ts';
import type { Running } from '#gateway/main.ts';
import { startBeside } from '../fakes/beside.ts';
import { makeCertificate, type Certificate } from '../fakes/certificates.ts';
import { startGateway, type TestGateway } from '../fakes/gateway.ts';
import { samlClient, samlProviders, type SamlClient } from '../fakes/saml-client.ts';
import {
  assertionXml,
  base64,
  makeIdp,
  responseXml,
  type SignOptions,
  signXml,
  type TestIdp,
  type Words,
} from '../fakes/saml-idp.ts';

export const VICTIM = 'boss@example.com';
export const AS_VICTIM: Partial<Words> = {
  nameId: VICTIM,
  attributes: { email: [VICTIM], displayName: ['Boss'], groups: ['dba'] },
};

export type SamlWorld = {
  readonly idp: TestIdp;
  /** Somebody who has keys, but not the provider's. */
  readonly mallory: Certificate;
  readonly gateway: TestGateway;
  readonly saml: SamlClient;
  /** Folder for more files. */
  readonly dir: string;
  /** Its other gateway, with `beside`. */
  readonly beside?: Running;
  /** A response around `inside`, for this gateway. */
  readonly respond: (inside: string, inResponseTo: string) => string;
  /** An assertion that the provider has signed. */
  readonly signed: (inResponseTo: string, words?: Partial<Words>, sign?: SignOptions) => string;
  /** Answers a sign-in that a browser has begun; what is posted must be refused, for this reason. */
  refused(make: (inResponseTo: string) => string, why: RegExp): Promise<void>;
};

/** A gateway whose people sign in by SAML, for the tests of one file; to be read once they run. */
export function samlWorld(
  options: {
    readonly own?: boolean;
    readonly config?: Partial<SamlConfig>;
    /** Further providers, with the same files. */
    readonly others?: readonly Partial<SamlConfig>[];
    /** Two gateways of one installation, behind one address. */
    readonly beside?: boolean;
  } = {},
): { readonly current: SamlWorld } {
  let world: SamlWorld | undefined;
  before(async () => {
    const dir = await mkdtemp(join(tmpdir(), 'countersign-saml-'));
    const [idp, mallory] = await Promise.all([
      makeIdp(dir, options),
      makeCertificate({ cn: 'mallory', key: 'rsa' }),
    ]);
    const others = (options.others ?? []).map((each) => ({ ...idp.config, ...each }));
    const identity = samlProviders(idp.config, ...others);
    const gateway = await startGateway({ config: { identity } });
    const saml = samlClient(gateway.running.console);
    const { publicUrl } = gateway.config;
    const second = options.beside ? await startBeside(gateway, 'beside', { publicUrl }) : undefined;
    world = {
      dir,
      idp,
      mallory,
      gateway,
      ...(second && { beside: second.running }),
      saml,
      respond: (inside, inResponseTo) => responseXml(saml.sp, inside, { inResponseTo }),
      signed: (inResponseTo, words, sign) =>
        signXml(assertionXml(saml.sp, { inResponseTo, ...words }), idp.key, sign),
      async refused(make, why) {
        const { request } = await saml.begin();
        const { status, text, cookies } = await saml.answer(base64(make(request)), request);
        assert.match(text, why);
        assert.equal(status, 403);
        assert.deepEqual(cookies, []);
      },
    };
  });
  after(async () => {
    await world?.beside?.stop();
    await world?.gateway.stop();
    if (world) await rm(world.dir, { recursive: true });
  });
  return {
    get current() {
      if (!world) throw new Error('the world begins with the first test');
      return world;
    },
  };
}
