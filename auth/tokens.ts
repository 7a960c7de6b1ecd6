// Access tokens (JWT, RFC 7519), refresh tokens and one-time codes.
import { createHmac, randomBytes, randomInt } from 'node:crypto';
import { jwtVerify, SignJWT } from 'jose';
import { account } from '../domain/deadlines.ts';

export interface AuthSecrets {
  /** Signs access tokens. */
  access: string;
  /** Keys the stored hashes of refresh tokens. */
  refresh: string;
  /** Keys the stored hashes of codes and invitations. */
  auth: string;
}

export type Tokens = ReturnType<typeof createTokens>;

const issuer = 'frontdesk';

export function createTokens(secrets: AuthSecrets) {
  const accessKey = new TextEncoder().encode(secrets.access);
  const keyed = (secret: string, ...parts: string[]) =>
    createHmac('sha256', secret).update(JSON.stringify(parts)).digest();

  return {
    /** A JWT that says who and in which session, for `account.accessToken` milliseconds. */
    async signAccess(userId: string, sessionId: string): Promise<string> {
      return await new SignJWT({ sid: sessionId })
        .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' })
        .setIssuer(issuer)
        .setSubject(userId)
        .setIssuedAt()
        .setExpirationTime(new Date(Date.now() + account.accessToken))
        .sign(accessKey);
    },

    /** Undefined for anything but a token of ours that is still good. */
    async verifyAccess(token: string): Promise<{ userId: string; sessionId: string } | undefined> {
      try {
        const { payload } = await jwtVerify<{ sid: string }>(token, accessKey, {
          issuer,
          typ: 'at+jwt',
          algorithms: ['HS256'],
        });
        return payload.sub ? { userId: payload.sub, sessionId: payload.sid } : undefined;
      } catch {
        return undefined;
      }
    },

    newRefreshToken: () => randomBytes(32).toString('base64url'),
    refreshHash: (token: string) => keyed(secrets.refresh, token),

    newInvitationToken: () => randomBytes(24).toString('base64url'),
    invitationHash: (token: string) => keyed(secrets.auth, 'invitation', token),

    newCode: () => String(randomInt(1_000_000)).padStart(6, '0'),
    codeHash: (purpose: string, email: string, code: string) => keyed(secrets.auth, purpose, email, code),
  };
}
