import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { parse } from 'yaml';
import { checkIdentity } from '#src/config/check-identity.ts';
import { buildIdentity, type SamlConfig } from '#src/config/identity.ts';
import { fileSchema } from '#src/config/schema.ts';
import { SamlService } from '#src/identity/saml/service.ts';
import { base64, makeIdp, newId, requestOf, signXml, type TestIdp } from '../../fakes/saml-idp.ts';
import { memoryStore } from '../../fakes/saml-store.ts';

const US = 'https://countersign.example.com';
const SAML = 'urn:oasis:names:tc:SAML:2.0:assertion';
const SAMLP = 'urn:oasis:names:tc:SAML:2.0:protocol';
const XS = 'xmlns:xs="http://www.w3.org/2001/XMLSchema"';
const XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"';
const SCHEMAS = 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims';
const GUID = '6f1b2c3d-0000-4000-8000-000000000001';

let dir: string;
let idp: TestIdp;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'countersign-saml-'));
  idp = await makeIdp(dir, { own: true });
});
after(() => rm(dir, { recursive: true }));

/** The provider of this name as docs/saml.md has it, with the files of the test. */
async function documented(name: string): Promise<SamlConfig> {
  const text = await readFile(new URL('../../../docs/saml.md', import.meta.url), 'utf8');
  const blocks = [...text.matchAll(/```yaml\n([^]*?)```/g)].map(([, yaml = '']) => parse(yaml));
  const raw = blocks.find(({ identity }) => name in identity.providers);
  assert.deepEqual(checkIdentity(raw), []);
  const file = fileSchema.parse({ ...(await example()), ...raw });
  const config = buildIdentity(file, { base: dir, env: {} }).providers.get(name);
  assert.ok(config?.protocol === 'saml');
  const { cert, key = '', certificate = '' } = idp.config;
  return { ...config, cert, ...(config.key !== undefined && { key, certificate }) };
}

async function example(): Promise<object> {
  const text = await readFile(new URL('../../../docs/configuration.md', import.meta.url), 'utf8');
  return parse(/```yaml\n([^]*?)```/.exec(text)?.[1] ?? '');
}

type Asked = {
  readonly request: string;
  readonly acs: string;
  readonly audience: string;
  readonly now: string;
  readonly soon: string;
};

async function signIn(name: string, answer: (asked: Asked) => string) {
  const config = await documented(name);
  const store = memoryStore();
  const service = new SamlService(config, US, store);
  const request = requestOf(await service.begin(Buffer.from('browser'), '/'));
  const base = `${US}/saml/${name}`;
  const now = new Date().toISOString();
  const soon = new Date(Date.now() + 300_000).toISOString();
  const said = answer({ request, acs: `${base}/acs`, audience: `${base}/metadata`, now, soon });
  await service.take(base64(said), request);
  const [taken] = store.taken;
  assert.ok(taken);
  const { subject, email, name: called, groups } = taken;
  return { subject, email, name: called, groups };
}

const attribute = (p: string, name: string, values: readonly string[], more = ''): string =>
  `<${p}Attribute Name="${name}"${more}>${values.map((each) => `<${p}AttributeValue>${each}</${p}AttributeValue>`).join('')}</${p}Attribute>`;

const subjectOf = (p: string, format: string, id: string, { request, acs, soon }: Asked): string =>
  `<${p}Subject><${p}NameID Format="${format}">${id}</${p}NameID><${p}SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><${p}SubjectConfirmationData InResponseTo="${request}" NotOnOrAfter="${soon}" Recipient="${acs}"/></${p}SubjectConfirmation></${p}Subject>`;
const conditionsOf = (p: string, { audience, now, soon }: Asked): string =>
  `<${p}Conditions NotBefore="${now}" NotOnOrAfter="${soon}"><${p}AudienceRestriction><${p}Audience>${audience}</${p}Audience></${p}AudienceRestriction></${p}Conditions>`;
const authnOf = (p: string, { now }: Asked, more = ''): string =>
  `<${p}AuthnStatement AuthnInstant="${now}" SessionIndex="${newId()}"${more}><${p}AuthnContext><${p}AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</${p}AuthnContextClassRef></${p}AuthnContext></${p}AuthnStatement>`;
const EMAIL = 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress';
const PERSISTENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent';
const SUCCESS = 'urn:oasis:names:tc:SAML:2.0:status:Success';

const entra = (groups: string) => (asked: Asked) => {
  const { request, acs, now } = asked;
  const issuer = 'https://sts.windows.net/11111111-2222-3333-4444-555555555555/';
  const assertion = `<Assertion ID="${newId()}" IssueInstant="${now}" Version="2.0" xmlns="${SAML}"><Issuer>${issuer}</Issuer>${subjectOf('', PERSISTENT, 'b7c8-object-id', asked)}${conditionsOf('', asked)}<AttributeStatement>${attribute('', 'http://schemas.microsoft.com/identity/claims/displayname', ['Ada Lovelace'])}${attribute('', `${SCHEMAS}/emailaddress`, ['Ada@example.com'])}${groups}</AttributeStatement>${authnOf('', asked)}</Assertion>`;
  const signed = signXml(assertion, idp.key, { keyInfo: idp.cert });
  return `<samlp:Response ID="${newId()}" Version="2.0" IssueInstant="${now}" Destination="${acs}" InResponseTo="${request}" xmlns:samlp="${SAMLP}"><Issuer xmlns="${SAML}">${issuer}</Issuer><samlp:Status><samlp:StatusCode Value="${SUCCESS}"/></samlp:Status>${signed}</samlp:Response>`;
};

suite('answers in the shape of each product, read as docs/saml.md configures it', () => {
  test('AD FS', async () => {
    const said = await signIn('adfs', (asked) => {
      const { request, acs, now } = asked;
      const issuer = 'http://adfs.example.com/adfs/services/trust';
      const assertion = `<Assertion ID="${newId()}" IssueInstant="${now}" Version="2.0" xmlns="${SAML}"><Issuer>${issuer}</Issuer>${subjectOf('', EMAIL, 'ada@example.com', asked)}${conditionsOf('', asked)}<AttributeStatement>${attribute('', `${SCHEMAS}/emailaddress`, ['ada@example.com'])}${attribute('', `${SCHEMAS}/name`, ['Ada Lovelace'])}${attribute('', 'http://schemas.xmlsoap.org/claims/Group', ['Domain Users', 'dba'])}</AttributeStatement>${authnOf('', asked)}</Assertion>`;
      const signed = signXml(assertion, idp.key, { prefix: 'ds', keyInfo: idp.cert });
      return `<samlp:Response ID="${newId()}" Version="2.0" IssueInstant="${now}" Destination="${acs}" Consent="urn:oasis:names:tc:SAML:2.0:consent:unspecified" InResponseTo="${request}" xmlns:samlp="${SAMLP}"><Issuer xmlns="${SAML}">${issuer}</Issuer><samlp:Status><samlp:StatusCode Value="${SUCCESS}" /></samlp:Status>${signed}</samlp:Response>`;
    });
    assert.deepEqual(said, {
      subject: 'ada@example.com',
      email: 'ada@example.com',
      name: 'Ada Lovelace',
      groups: ['Domain Users', 'dba'],
    });
  });
  test('Entra ID', async () => {
    const name = 'http://schemas.microsoft.com/ws/2008/06/identity/claims/groups';
    const said = await signIn('entra', entra(attribute('', name, [GUID, 'other'])));
    assert.deepEqual(said, {
      subject: 'b7c8-object-id',
      email: 'ada@example.com',
      name: 'Ada Lovelace',
      groups: ['dba'],
    });
  });
  test('Entra ID, with too many groups to name', async () => {
    const link = attribute('', 'http://schemas.microsoft.com/claims/groups.link', [
      'https://graph',
    ]);
    await assert.rejects(signIn('entra', entra(link)), /too many groups/);
  });
  test('Okta: response and assertion signed, prefix lists, types of XML Schema', async () => {
    const said = await signIn('okta', (asked) => {
      const { request, acs, now } = asked;
      const issuer = `<saml2:Issuer Format="urn:oasis:names:tc:SAML:2.0:nameid-format:entity">http://www.okta.com/exk1a2b3c4d5e6f7g8h9</saml2:Issuer>`;
      const basic = ' NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified"';
      const typed = (name: string, values: readonly string[]) =>
        attribute('saml2:', name, values, basic).replaceAll(
          '<saml2:AttributeValue>',
          `<saml2:AttributeValue ${XSI} xsi:type="xs:string">`,
        );
      const assertion = `<saml2:Assertion ID="id${newId()}" IssueInstant="${now}" Version="2.0" xmlns:saml2="${SAML}" ${XS}>${issuer}${subjectOf('saml2:', EMAIL, 'ada@example.com', asked)}${conditionsOf('saml2:', asked)}${authnOf('saml2:', asked)}<saml2:AttributeStatement>${typed('email', ['ada@example.com'])}${typed('displayName', ['Ada Lovelace'])}${typed('groups', ['Everyone', 'dba'])}</saml2:AttributeStatement></saml2:Assertion>`;
      const how = { prefix: 'ds', inclusive: ['xs'], keyInfo: idp.cert };
      const response = `<?xml version="1.0" encoding="UTF-8"?><saml2p:Response Destination="${acs}" ID="id${newId()}" InResponseTo="${request}" IssueInstant="${now}" Version="2.0" xmlns:saml2p="${SAMLP}" ${XS}>${issuer.replace('<saml2:Issuer', `<saml2:Issuer xmlns:saml2="${SAML}"`)}<saml2p:Status xmlns:saml2p="${SAMLP}"><saml2p:StatusCode Value="${SUCCESS}"/></saml2p:Status>${signXml(assertion, idp.key, how)}</saml2p:Response>`;
      return signXml(response, idp.key, { ...how, element: 'Response' });
    });
    assert.deepEqual(said.groups, ['Everyone', 'dba']);
    assert.equal(said.name, 'Ada Lovelace');
  });
  test('Keycloak: an attribute for each group, both signed', async () => {
    const said = await signIn('keycloak', (asked) => {
      const { request, acs, now, soon } = asked;
      const issuer = `<saml:Issuer>https://id.example.com/realms/acme</saml:Issuer>`;
      const until = ` SessionNotOnOrAfter="${soon}"`;
      const basic =
        ' FriendlyName="x" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:basic"';
      const values = [
        ['email', 'ada@example.com'],
        ['displayName', 'Ada Lovelace'],
        ['groups', 'dba'],
        ['groups', 'ops'],
      ] as const;
      const attributes = values.map(([name, value]) => attribute('saml:', name, [value], basic));
      const assertion = `<saml:Assertion xmlns="${SAML}" xmlns:saml="${SAML}" ID="ID${newId()}" IssueInstant="${now}" Version="2.0">${issuer}${subjectOf('saml:', PERSISTENT, 'G-1234', asked)}${conditionsOf('saml:', asked)}${authnOf('saml:', asked, until)}<saml:AttributeStatement>${attributes.join('')}</saml:AttributeStatement></saml:Assertion>`;
      const how = { prefix: 'dsig', keyInfo: idp.cert };
      const response = `<samlp:Response xmlns:samlp="${SAMLP}" xmlns:saml="${SAML}" Destination="${acs}" ID="ID${newId()}" InResponseTo="${request}" IssueInstant="${now}" Version="2.0">${issuer}<samlp:Status><samlp:StatusCode Value="${SUCCESS}"/></samlp:Status>${signXml(assertion, idp.key, how)}</samlp:Response>`;
      return signXml(response, idp.key, { ...how, element: 'Response' });
    });
    assert.deepEqual(said, {
      subject: 'G-1234',
      email: 'ada@example.com',
      name: 'Ada Lovelace',
      groups: ['dba', 'ops'],
    });
  });
  test('any other, as the page begins', async () => {
    const config = await documented('acme');
    assert.deepEqual(config.groups, new Map([['database-admins', 'dba']]));
  });
});
