import { decodeJwt, decodeProtectedHeader, type JWTHeaderParameters } from 'jose';
import type { Claims, IdpPerson, Product } from './shapes.ts';

/** What the product would have answered in place of what the library does, by path. */
export function shaper(
  product: Product,
  withAuthTime: boolean,
  bySubject: (subject: unknown) => IdpPerson | undefined,
  signed: (claims: Claims, header: JWTHeaderParameters) => Promise<string>,
): Readonly<Record<string, (body: Claims) => Promise<Claims> | Claims>> {
  const again = async (
    token: string,
    shape: (base: Claims, person: IdpPerson | undefined) => Claims,
  ): Promise<string> => {
    const base: Claims = decodeJwt(token);
    const shaped = shape(base, bySubject(base['sub']));
    if (!withAuthTime) delete shaped['auth_time'];
    return signed(shaped, decodeProtectedHeader(token) as JWTHeaderParameters);
  };
  return {
    '/token': async (body) => {
      const { id_token: id, access_token: access } = body;
      return {
        ...body,
        ...(typeof id === 'string' && {
          id_token: await again(id, (base, person) =>
            person ? product.idToken(base, person) : base,
          ),
        }),
        ...(typeof access === 'string' &&
          access.split('.').length === 3 && {
            access_token: await again(access, product.accessToken),
          }),
      };
    },
    '/me': (body) => {
      const person = bySubject(body['sub']);
      return person ? { ...product.userinfo(person), sub: body['sub'] } : body;
    },
    // Five seconds, which is meant else, is long for a test.
    '/device/auth': (body) => ({ ...body, interval: 1 }),
    '/.well-known/openid-configuration': (body) => {
      const known = { ...body };
      if (!product.endSession) delete known['end_session_endpoint'];
      if (!product.backchannel)
        for (const name of Object.keys(known))
          if (name.startsWith('backchannel_logout')) delete known[name];
      return known;
    },
  };
}
