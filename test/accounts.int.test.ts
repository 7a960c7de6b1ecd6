import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type Answer, createApiClient, eventually } from './support/api-client.ts';
import { createPeople, type Person } from './support/accounts.ts';
import { createTestEnvironment, type TestEnvironment } from './support/environment.ts';

let environment: TestEnvironment;
let people: ReturnType<typeof createPeople>;
let api: ReturnType<typeof createApiClient>;
const password = 'a long enough password';

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  const [{ url }] = await Promise.all([
    environment.startApi({ TRUST_PROXY: 'true' }),
    environment.startWorker(),
  ]);
  api = createApiClient(url, undefined);
  people = createPeople(url, inject('servers').mailboxUrl);
});
afterAll(() => environment?.close());

const login = (email: string, given = password, ip = '192.0.2.1'): Promise<Answer> =>
  api.call('POST', '/auth/login', { email, password: given }, { 'x-forwarded-for': ip });
const refresh = (refreshToken: string) => api.call('POST', '/auth/refresh', { refreshToken });

describe('registration', () => {
  test('the code from the mail makes the account, once', async () => {
    const email = people.newAddress();
    const asked = await api.call('POST', '/auth/register', { email, password, name: 'Ada' });
    expect(asked.status, asked.text).toBe(202);
    expect((await login(email)).json.code).toBe('INVALID_CREDENTIALS');
    const otp = await people.codeFor(email);
    const verified = await api.call('POST', '/auth/verify-otp', { email, otp });
    expect(verified.json.user, verified.text).toMatchObject({ email, name: 'Ada', platformAdmin: false });
    expect((await api.call('POST', '/auth/verify-otp', { email, otp })).json.code).toBe('INVALID_OTP');
    expect((await login(email)).json).toMatchObject({ user: { email }, expiresIn: 900 });
  });

  test('a code works once in 50 parallel tries', async () => {
    const email = people.newAddress();
    await api.call('POST', '/auth/register', { email, password, name: 'Ada' });
    const otp = await people.codeFor(email);
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => api.call('POST', '/auth/verify-otp', { email, otp })),
    );
    // Five tries are taken in order; of those that open, one makes the account.
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(49);
  });

  test('five wrong codes end it', async () => {
    const email = people.newAddress();
    await api.call('POST', '/auth/register', { email, password, name: 'Ada' });
    const otp = await people.codeFor(email);
    const wrong = otp === '000000' ? '000001' : '000000';
    for (let n = 0; n < 5; n++) {
      expect((await api.call('POST', '/auth/verify-otp', { email, otp: wrong })).status).toBe(401);
    }
    expect((await api.call('POST', '/auth/verify-otp', { email, otp })).json.code).toBe('INVALID_OTP');
  });

  test('what somebody else registered under an address does not become its owner’s account', async () => {
    const email = people.newAddress();
    await api.call('POST', '/auth/register', { email, password: 'the password of an attacker', name: 'Eve' });
    await people.codeFor(email);
    await environment.sql`update account_codes set created_at = created_at - interval '2 minutes'`;
    await api.call('POST', '/auth/register', { email, password, name: 'Ada' });
    const otp = await people.codeFor(email, 2);
    const verified = await api.call('POST', '/auth/verify-otp', { email, otp });
    expect(verified.json.user).toMatchObject({ name: 'Ada' });
    expect((await login(email, 'the password of an attacker')).status).toBe(401);
    expect((await login(email)).status).toBe(200);
  });

  test('a code that was mailed late is good for its ten minutes, and then no more', async () => {
    const email = people.newAddress();
    await api.call('POST', '/auth/register', { email, password, name: 'Ada' });
    const otp = await people.codeFor(email);
    // Until the mail server had taken it, it would have waited for days.
    const left = await eventually(async () => {
      const [code] = await environment.sql<{ minutes: number }[]>`
        select extract(epoch from expires_at - now())::float8 / 60 as minutes from account_codes where email = ${email}`;
      return code!.minutes < 60 ? code!.minutes : undefined;
    });
    expect(left).toBeGreaterThan(9);
    expect(left).toBeLessThanOrEqual(10);
    await environment.sql`update account_codes set expires_at = now() where email = ${email}`;
    expect((await api.call('POST', '/auth/verify-otp', { email, otp })).json.code).toBe('INVALID_OTP');
  });

  test('an address with an account is answered alike, and told by mail', async () => {
    const { email } = await people.signUp();
    const fresh = await api.call('POST', '/auth/register', {
      email: people.newAddress(),
      password,
      name: 'Ada',
    });
    const again = await api.call('POST', '/auth/register', { email, password, name: 'Eve' });
    expect([again.status, again.json]).toEqual([fresh.status, fresh.json]);
    expect((await people.mailTo(email, 2)).subject).toBe('You have an account already');
  });

  test('another code can be asked for, after a pause', async () => {
    const email = people.newAddress();
    await api.call('POST', '/auth/register', { email, password, name: 'Ada' });
    const first = await people.codeFor(email);
    const tooSoon = await api.call('POST', '/auth/resend-otp', { email });
    expect([tooSoon.status, tooSoon.json.code]).toEqual([429, 'TOO_MANY_ATTEMPTS']);
    expect(Number(tooSoon.headers.get('retry-after'))).toBeGreaterThan(50);
    await environment.sql`update account_codes set created_at = created_at - interval '2 minutes'`;
    expect((await api.call('POST', '/auth/resend-otp', { email })).status).toBe(202);
    const second = await people.codeFor(email, 2);
    if (first !== second) {
      expect((await api.call('POST', '/auth/verify-otp', { email, otp: first })).status).toBe(401);
    }
    expect((await api.call('POST', '/auth/verify-otp', { email, otp: second })).status).toBe(200);
  });
});

describe('sessions', () => {
  let person: Person;
  beforeAll(async () => {
    person = await people.signUp();
  });

  test('a refresh token works once; used again, it ends the session for both holders', async () => {
    const { refreshToken: first } = (await login(person.email, person.password)).json;
    const second = (await refresh(first)).json;
    expect(second.refreshToken).not.toBe(first);
    expect((await refresh(first)).json.code).toBe('INVALID_REFRESH_TOKEN');
    expect((await refresh(second.refreshToken)).json.code).toBe('INVALID_REFRESH_TOKEN');
    const me = await api.call('GET', '/me', undefined, { authorization: `Bearer ${second.accessToken}` });
    expect(me.json.code).toBe('INVALID_ACCESS_TOKEN');
  });

  test('of parallel refreshes at most one gets through', async () => {
    const { refreshToken } = (await login(person.email, person.password)).json;
    const answers = await Promise.all(Array.from({ length: 10 }, () => refresh(refreshToken)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  test('signing out ends the session at once', async () => {
    const { accessToken, refreshToken } = (await login(person.email, person.password)).json;
    const bearer = { authorization: `Bearer ${accessToken}` };
    expect((await api.call('GET', '/auth/me', undefined, bearer)).json.user.email).toBe(person.email);
    expect((await api.call('POST', '/auth/logout', undefined, bearer)).status).toBe(204);
    expect((await api.call('GET', '/auth/me', undefined, bearer)).status).toBe(401);
    expect((await refresh(refreshToken)).status).toBe(401);
  });

  test('a reset password ends every session; unknown addresses are answered alike', async () => {
    const owner = await people.signUp();
    const known = await api.call('POST', '/auth/forgot-password', { email: owner.email });
    const unknown = await api.call('POST', '/auth/forgot-password', { email: people.newAddress() });
    expect([known.status, known.json]).toEqual([unknown.status, unknown.json]);
    const otp = await people.codeFor(owner.email, 2);
    const body = { email: owner.email, otp, password: 'another long password' };
    expect((await api.call('POST', '/auth/reset-password', body)).status).toBe(200);
    expect((await api.call('POST', '/auth/reset-password', body)).json.code).toBe('INVALID_OTP');
    expect((await api.call('GET', '/me', undefined, owner.bearer)).status).toBe(401);
    expect((await login(owner.email, owner.password)).status).toBe(401);
    expect((await login(owner.email, 'another long password')).status).toBe(200);
  });

  test('a suspended user is out at once, and in again when let', async () => {
    const [boss, worker] = await Promise.all([people.signUp(), people.signUp()]);
    expect((await api.call('GET', '/users', undefined, boss.bearer)).status).toBe(404);
    await environment.stores.users.setPlatformAdmin(boss.email, true, {
      type: 'operator',
      id: null,
      ip: null,
    });
    const { id } = (await api.call('GET', '/me', undefined, worker.bearer)).json.user;
    expect((await api.call('POST', `/users/${id}/suspend`, undefined, boss.bearer)).status).toBe(204);
    expect((await api.call('GET', '/me', undefined, worker.bearer)).status).toBe(401);
    expect((await login(worker.email, worker.password, '192.0.2.77')).json.code).toBe('INVALID_CREDENTIALS');
    expect((await api.call('POST', `/users/${id}/resume`, undefined, boss.bearer)).status).toBe(204);
    expect((await login(worker.email, worker.password, '192.0.2.78')).status).toBe(200);
  });
});

describe('guessing', () => {
  test('is slowed down for the guesser and not for the owner', async () => {
    const owner = await people.signUp();
    expect((await login(owner.email, owner.password, '192.0.2.10')).status).toBe(200);
    for (let n = 0; n < 5; n++) {
      expect((await login(owner.email, 'wrong password', '198.51.100.1')).json.code).toBe(
        'INVALID_CREDENTIALS',
      );
    }
    const blocked = await login(owner.email, owner.password, '198.51.100.1');
    expect(blocked.json.code).toBe('TOO_MANY_ATTEMPTS');
    expect(Number(blocked.headers.get('retry-after'))).toBeGreaterThan(0);
    // From many networks at once: those that were never used are slowed down together, the owner's own is not.
    await environment.sql`
      insert into sign_in_failures (email, network, failures, blocked_until, updated_at)
      values (${owner.email}, '*', 60, now() + interval '1 minute', now())
      on conflict (email, network) do update set blocked_until = excluded.blocked_until`;
    expect((await login(owner.email, owner.password, '203.0.113.5')).json.code).toBe('TOO_MANY_ATTEMPTS');
    expect((await login(owner.email, owner.password, '192.0.2.10')).status).toBe(200);
  });

  test('an address that nobody has is slowed down just the same', async () => {
    const email = people.newAddress();
    const answers = [];
    for (let n = 0; n < 6; n++)
      answers.push((await login(email, 'wrong password', '198.51.100.2')).json.code);
    expect(answers).toEqual([...Array(5).fill('INVALID_CREDENTIALS'), 'TOO_MANY_ATTEMPTS']);
  });
});

test('nothing secret is stored as it is', async () => {
  const person = await people.signUp();
  const { refreshToken, accessToken } = (await login(person.email, person.password)).json;
  const dump = await environment.sql`
    select row_to_json(u)::text as row from users u union all select row_to_json(c)::text from account_codes c
    union all select row_to_json(r)::text from refresh_tokens r union all select row_to_json(m)::text from mails m`;
  const text = dump.map(({ row }) => row).join('\n');
  expect(text).toContain('$argon2id$v=19$m=19456,t=2,p=1$');
  for (const secret of [person.password, refreshToken, accessToken]) expect(text).not.toContain(secret);
});
