// Tokens that say who a visitor is (JWT, RFC 7519): signed by us after a login, or by the site itself.
import { type JWTPayload, jwtVerify, SignJWT } from 'jose';
import { visitorToken } from '../domain/deadlines.ts';
import { textAt, type Visitor } from '../domain/visitor-logins.ts';

const keyOf = (secret: string) => new TextEncoder().encode(secret);

export async function signVisitor({ userId, name, email }: Visitor, secret: string): Promise<string> {
  return await new SignJWT({ user_id: userId, user_name: name, user_email: email })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(userId)
    .setIssuedAt()
    .setExpirationTime(new Date(Date.now() + visitorToken))
    .sign(keyOf(secret));
}

/** Undefined for anything but a token that was signed with this secret and is still good; it has to expire some day. */
export async function verifyVisitor(token: string, secret: string): Promise<Visitor | undefined> {
  try {
    const { payload } = await jwtVerify(token, keyOf(secret), {
      algorithms: ['HS256'],
      requiredClaims: ['exp'],
    });
    return visitorOf(payload);
  } catch {
    return undefined;
  }
}

/** Sites that sign for themselves use our names of claims or the registered ones. */
function visitorOf(payload: JWTPayload): Visitor | undefined {
  const claim = (...names: string[]) =>
    names.map((name) => textAt(payload, name)).find((value) => value !== undefined);
  const userId = claim('user_id', 'sub');
  if (userId === undefined) return undefined;
  return { userId, name: claim('user_name', 'name') ?? null, email: claim('user_email', 'email') ?? null };
}
