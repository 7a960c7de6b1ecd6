import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { hashPassword, verifyPassword } from '../../auth/passwords.ts';
import { email, password, personName, type User } from '../../domain/accounts.ts';
import { account } from '../../domain/deadlines.ts';
import { AppError } from '../../domain/errors.ts';
import type { NewMail } from '../../domain/mails.ts';
import type { App, AppDependencies } from '../app.ts';
import { actorOf, userOf } from '../plugins/access.ts';

const otp = z
  .string()
  .trim()
  .regex(/^\d{6}$/, 'must be the six digits from the mail');
const userView = z.object({
  id: z.uuid(),
  email: z.string(),
  name: z.string(),
  platformAdmin: z.boolean(),
  createdAt: z.date(),
});
const tokensView = z.object({
  accessToken: z.string(),
  /** Seconds. */
  expiresIn: z.number(),
  refreshToken: z.string(),
});
const accepted = z.object({ message: z.string() });
const tags = ['Accounts'];
const codeMinutes = account.code / 60_000;

export function authRoutes(app: App, { stores, tokens, dispatcher }: AppDependencies): void {
  const open = { public: true } as const;
  const { users, accountCodes, sessions, signInFailures } = stores;

  const codeMail = (template: 'account_code' | 'password_reset', to: string, code: string): NewMail => ({
    projectId: null,
    template,
    params: { code, minutes: codeMinutes },
    to,
    language: 'en',
  });

  const beginSession = async (userId: string) => {
    const refreshToken = tokens.newRefreshToken();
    const sessionId = await sessions.begin(userId, tokens.refreshHash(refreshToken));
    return { accessToken: await tokens.signAccess(userId, sessionId), expiresIn, refreshToken };
  };

  /** What everybody is told, whether or not somebody has the address. */
  const checkYourMail = {
    message: 'If that is possible, a mail is on its way. Its code works for 10 minutes.',
  };

  const mustWait = (seconds: number) =>
    new AppError('TOO_MANY_ATTEMPTS', {
      message: `Too many attempts. Try again in ${seconds} s.`,
      details: { retryAfterSeconds: seconds },
    });

  app.post(
    '/auth/register',
    {
      config: { ...open, errors: ['TOO_MANY_ATTEMPTS'] },
      schema: {
        tags,
        summary: 'Register; a code goes to the address',
        body: z.object({ email, password, name: personName }),
        response: { 202: accepted },
      },
    },
    async (request, reply) => {
      const { email, name } = request.body;
      const passwordHash = await hashPassword(request.body.password);
      const wait = await accountCodes.secondsToWait('registration', email);
      if (wait > 0) throw mustWait(wait);
      const code = tokens.newCode();
      const codeHash = tokens.codeHash('registration', email, code);
      // An address that has an account gets a mail that says so, and nobody else is told.
      const mail: NewMail = (await users.findByEmail(email))
        ? { projectId: null, template: 'account_exists', params: {}, to: email, language: 'en' }
        : codeMail('account_code', email, code);
      dispatcher.startSoon(
        await accountCodes.createRegistration({ email, codeHash, name, passwordHash }, mail),
      );
      return reply.status(202).send(checkYourMail);
    },
  );

  app.post(
    '/auth/resend-otp',
    {
      config: { ...open, errors: ['TOO_MANY_ATTEMPTS'] },
      schema: { tags, summary: 'Send another code', body: z.object({ email }), response: { 202: accepted } },
    },
    async (request, reply) => {
      const { email } = request.body;
      const wait = await accountCodes.secondsToWait('registration', email);
      if (wait > 0) throw mustWait(wait);
      const code = tokens.newCode();
      const codeHash = tokens.codeHash('registration', email, code);
      const dispatch = await accountCodes.renewRegistration(
        { email, codeHash },
        codeMail('account_code', email, code),
      );
      if (dispatch) dispatcher.startSoon(dispatch);
      return reply.status(202).send(checkYourMail);
    },
  );

  app.post(
    '/auth/verify-otp',
    {
      config: { ...open, errors: ['INVALID_OTP', 'TOO_MANY_ATTEMPTS'] },
      schema: {
        tags,
        summary: 'Confirm the address with the code; this makes the account',
        body: z.object({ email, otp }),
        response: { 200: z.object({ user: userView }) },
      },
    },
    async (request) => {
      const { email, otp } = request.body;
      const codeHash = tokens.codeHash('registration', email, otp);
      const userId = await accountCodes.completeRegistration({ email, codeHash }, request.ip);
      if (!userId) throw new AppError('INVALID_OTP');
      return { user: (await users.get(userId))! };
    },
  );

  app.post(
    '/auth/login',
    {
      config: { ...open, errors: ['INVALID_CREDENTIALS', 'TOO_MANY_ATTEMPTS'] },
      schema: {
        tags,
        summary: 'Sign in',
        body: z.object({ email, password: z.string().max(1_000) }),
        response: { 200: tokensView.extend({ user: userView }) },
      },
    },
    async (request) => {
      const { email, password } = request.body;
      const wait = await signInFailures.secondsToWait(email, request.ip);
      if (wait > 0) throw mustWait(wait);
      const known = await users.credentials(email);
      const right = await verifyPassword(password, known?.passwordHash);
      if (!known || !right || known.suspended) {
        await signInFailures.failed(email, request.ip);
        throw new AppError('INVALID_CREDENTIALS');
      }
      await signInFailures.succeeded(known.id, email, request.ip);
      return { ...(await beginSession(known.id)), user: (await users.get(known.id))! };
    },
  );

  app.post(
    '/auth/refresh',
    {
      config: { ...open, errors: ['INVALID_REFRESH_TOKEN'] },
      schema: {
        tags,
        summary: 'Exchange a refresh token for new tokens; an old one that comes back ends the session',
        body: z.object({ refreshToken: z.string().max(200) }),
        response: { 200: tokensView },
      },
    },
    async (request) => {
      const refreshToken = tokens.newRefreshToken();
      const session = await sessions.rotate(
        tokens.refreshHash(request.body.refreshToken),
        tokens.refreshHash(refreshToken),
      );
      if (!session) throw new AppError('INVALID_REFRESH_TOKEN');
      const accessToken = await tokens.signAccess(session.userId, session.sessionId);
      return { accessToken, expiresIn, refreshToken };
    },
  );

  app.post(
    '/auth/logout',
    { config: { signedIn: true }, schema: { tags, summary: 'Sign out: the session ends at once' } },
    async (request, reply) => {
      await sessions.end(request.sessionId);
      return reply.status(204).send();
    },
  );

  app.post(
    '/auth/forgot-password',
    {
      config: { ...open, errors: ['TOO_MANY_ATTEMPTS'] },
      schema: {
        tags,
        summary: 'Ask for a code to set another password',
        body: z.object({ email }),
        response: { 202: accepted },
      },
    },
    async (request, reply) => {
      const { email } = request.body;
      const user = await users.findByEmail(email);
      // Who asks again too soon is not told: that, too, would say that the address is known.
      if (user && (await accountCodes.secondsToWait('password_reset', email)) === 0) {
        const code = tokens.newCode();
        const codeHash = tokens.codeHash('password_reset', email, code);
        const mail = codeMail('password_reset', email, code);
        dispatcher.startSoon(
          await accountCodes.createPasswordReset({ email, codeHash, userId: user.id }, mail),
        );
      }
      return reply.status(202).send(checkYourMail);
    },
  );

  app.post(
    '/auth/reset-password',
    {
      config: { ...open, errors: ['INVALID_OTP', 'TOO_MANY_ATTEMPTS'] },
      schema: {
        tags,
        summary: 'Set another password with the code; every session ends',
        body: z.object({ email, otp, password }),
        response: { 200: accepted },
      },
    },
    async (request) => {
      const { email, otp } = request.body;
      const passwordHash = await hashPassword(request.body.password);
      const codeHash = tokens.codeHash('password_reset', email, otp);
      if (!(await accountCodes.completePasswordReset({ email, codeHash }, passwordHash))) {
        throw new AppError('INVALID_OTP');
      }
      return { message: 'The password is changed. Sign in with it.' };
    },
  );

  app.post(
    '/auth/change-password',
    {
      config: { signedIn: true, errors: ['INVALID_CREDENTIALS', 'TOO_MANY_ATTEMPTS'] },
      schema: {
        tags,
        summary: 'Change the password; every other session ends',
        body: z.object({ currentPassword: z.string().max(1_000), newPassword: password }),
      },
    },
    async (request, reply) => {
      const { id, email } = userOf(request);
      const wait = await signInFailures.secondsToWait(email, request.ip);
      if (wait > 0) throw mustWait(wait);
      if (!(await verifyPassword(request.body.currentPassword, await users.passwordHash(id)))) {
        await signInFailures.failed(email, request.ip);
        throw new AppError('INVALID_CREDENTIALS', { message: 'The current password is wrong.' });
      }
      const hash = await hashPassword(request.body.newPassword);
      await users.changePassword(id, hash, request.sessionId, actorOf(request));
      return reply.status(204).send();
    },
  );

  const me = async (request: FastifyRequest): Promise<{ user: User }> => ({ user: userOf(request) });
  for (const path of ['/auth/me', '/me']) {
    app.get(
      path,
      {
        config: { signedIn: true },
        schema: { tags, summary: 'Who is signed in', response: { 200: z.object({ user: userView }) } },
      },
      me,
    );
  }
}

/** Of an access token, in seconds. */
const expiresIn = account.accessToken / 1000;
