import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { ClientCert } from '#src/config/config.ts';
import { personKey } from '#src/identity/people.ts';
import { Fatal } from '../fatal.ts';
import type { Secured } from './encryption.ts';

/**
 * Judges the certificate that a client showed, if one was asked for: it must be signed by the client authority and be in
 * the name of the person who signs in. Returns its SHA-256 fingerprint. Throws Fatal, before any password is asked for.
 */
export function checkClientCertificate(
  secured: Secured | undefined,
  clientCert: ClientCert,
  email: string,
): string | undefined {
  if (clientCert === 'none') return undefined;
  const certificate = secured?.socket.getPeerX509Certificate();
  if (!secured || !certificate) {
    if (clientCert === 'optional') return undefined;
    throw new Fatal('28000', 'connection requires a valid client certificate', {
      hint: secured
        ? 'Give your client your certificate and its key: sslcert and sslkey of libpq.'
        : 'Connect with sslmode=require or better, and with sslcert and sslkey.',
    });
  }
  const problem = verifyProblem(secured.socket);
  if (problem !== undefined)
    throw new Fatal('28000', `the client certificate is not valid: ${problem}`, {
      hint: 'It must be signed by the authority that the gateway knows, and be in date.',
    });
  if (!isOf(certificate, email))
    throw new Fatal('28000', `certificate authentication failed for user "${email}"`, {
      hint: 'Sign in as the person whose e-mail address is in the certificate, as SAN e-mail or as CN.',
    });
  return certificate.fingerprint256;
}

/** OpenSSL's verdict about the chain. Node hands it out only for sockets that a tls.Server has accepted. */
function verifyProblem(socket: TLSSocket): string | undefined {
  const handle: unknown = Reflect.get(socket, 'ssl');
  if (typeof handle !== 'object' || handle === null || !('verifyError' in handle))
    return 'it cannot be checked';
  if (typeof handle.verifyError !== 'function') return 'it cannot be checked';
  const error: unknown = Reflect.apply(handle.verifyError, handle, []);
  if (error === null || error === undefined) return undefined;
  return error instanceof Error ? error.message : 'it cannot be checked';
}

function isOf(certificate: X509Certificate, email: string): boolean {
  const key = personKey(email);
  // OpenSSL tells the case of letters apart, people do not: it is asked for each name as the certificate writes it.
  const named = (certificate.subjectAltName ?? '')
    .split(', ')
    .map((name) => name.replace(/^email:/, ''))
    .some(
      (name) =>
        personKey(name) === key && certificate.checkEmail(name, { subject: 'never' }) !== undefined,
    );
  if (named) return true;
  // Several CN are a list: nobody's.
  const commonName: unknown = certificate.toLegacyObject().subject.CN;
  return typeof commonName === 'string' && personKey(commonName) === key;
}
