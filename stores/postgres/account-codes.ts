import { codeTries } from '../../domain/accounts.ts';
import { account, mail as mailTiming } from '../../domain/deadlines.ts';
import type { Dispatch } from '../../domain/flows.ts';
import type { NewMail } from '../../domain/mails.ts';
import type { Encryption } from '../../encryption.ts';
import type { Sql } from './client.ts';
import { newId } from './ids.ts';
import { insertMail } from './mails.ts';
import { insertUser } from './users.ts';

export type AccountCodeStore = ReturnType<typeof createAccountCodeStore>;
export type CodePurpose = 'registration' | 'password_reset';

export interface NewCode {
  email: string;
  codeHash: Buffer;
}

/**
 * A code's mail is written in the code's transaction; the dispatches that are returned start its sending. Until the mail
 * was handed over nobody knows the code: its time begins then (mails.ts, end).
 */
export function createAccountCodeStore(sql: Sql, encryption: Encryption) {
  const untilMailed = sql`now() + ${mailTiming.giveUpAfter + account.code} * interval '1 millisecond'`;

  /**
   * Takes a try at every open code of the address and returns the one that it opens. The tries are counted in a
   * transaction of their own: what follows may be rolled back, the count may not.
   */
  async function open(purpose: CodePurpose, email: string, codeHash: Buffer) {
    const rows = await sql<
      {
        id: string;
        codeHash: Uint8Array;
        userId: string | null;
        name: string | null;
        passwordHash: string | null;
      }[]
    >`
      update account_codes set tries = tries + 1
      where purpose = ${purpose} and email = ${email} and expires_at > now() and tries < ${codeTries}
      returning id, code_hash, user_id, name, password_hash`;
    return rows.find((row) => codeHash.equals(row.codeHash));
  }

  return {
    /** Whether the address was sent a code of this kind a moment ago; then it has to wait for another. */
    async secondsToWait(purpose: CodePurpose, email: string): Promise<number> {
      const [row] = await sql<{ seconds: number }[]>`
        select coalesce(ceil(extract(epoch from
          max(created_at) + ${account.codePause} * interval '1 millisecond' - now())), 0)::int as seconds
        from account_codes where purpose = ${purpose} and email = ${email}`;
      return Math.max(0, row!.seconds);
    },

    async createRegistration(
      code: NewCode & { name: string; passwordHash: string },
      mail: NewMail,
    ): Promise<Dispatch> {
      return await sql.begin(async (tx) => {
        const mailId = newId();
        await tx`
          insert into account_codes (id, purpose, email, name, password_hash, code_hash, mail_id, expires_at)
          values (${newId()}, 'registration', ${code.email}, ${code.name}, ${code.passwordHash}, ${code.codeHash},
            ${mailId}, ${untilMailed})`;
        return await insertMail(tx, encryption, mail, mailId);
      });
    },

    /** Gives the newest registration of the address another code. Undefined where there is none that is open. */
    async renewRegistration({ email, codeHash }: NewCode, mail: NewMail): Promise<Dispatch | undefined> {
      return await sql.begin(async (tx) => {
        const mailId = newId();
        const [row] = await tx`
          update account_codes set code_hash = ${codeHash}, tries = 0, created_at = now(), mail_id = ${mailId},
            expires_at = ${untilMailed}
          where id = (select id from account_codes
            where purpose = 'registration' and email = ${email}
              and expires_at > now() - interval '1 day'
              and not exists (select 1 from users where users.email = account_codes.email)
            order by created_at desc limit 1)
          returning 1`;
        return row && (await insertMail(tx, encryption, mail, mailId));
      });
    },

    /** Makes the account that the code's registration asked for, and returns the user's id; undefined for a wrong code. */
    async completeRegistration({ email, codeHash }: NewCode, ip: string | null): Promise<string | undefined> {
      const found = await open('registration', email, codeHash);
      if (!found) return undefined;
      return await sql.begin(async (tx) => {
        // The first right code takes all registrations of the address with it: a second one in parallel finds none.
        const taken = await tx<{ id: string }[]>`
          delete from account_codes where purpose = 'registration' and email = ${email} returning id`;
        if (!taken.some((row) => row.id === found.id)) return undefined;
        const { name, passwordHash } = found;
        return await insertUser(tx, { email, name: name!, passwordHash: passwordHash! }, ip);
      });
    },

    async createPasswordReset(code: NewCode & { userId: string }, mail: NewMail): Promise<Dispatch> {
      return await sql.begin(async (tx) => {
        // Only the newest code is good.
        await tx`delete from account_codes where purpose = 'password_reset' and user_id = ${code.userId}`;
        const mailId = newId();
        await tx`
          insert into account_codes (id, purpose, email, user_id, code_hash, mail_id, expires_at)
          values (${newId()}, 'password_reset', ${code.email}, ${code.userId}, ${code.codeHash}, ${mailId},
            ${untilMailed})`;
        return await insertMail(tx, encryption, mail, mailId);
      });
    },

    /** Sets the password, ends every session, and returns the user's id; undefined for a wrong code. */
    async completePasswordReset(
      { email, codeHash }: NewCode,
      newPasswordHash: string,
    ): Promise<string | undefined> {
      const found = await open('password_reset', email, codeHash);
      if (!found?.userId) return undefined;
      const { id, userId } = found;
      return await sql.begin(async (tx) => {
        const taken = await tx`delete from account_codes where id = ${id} returning 1`;
        if (taken.length === 0) return undefined;
        await tx`update users set password_hash = ${newPasswordHash} where id = ${userId}`;
        await tx`
          update sessions set revoked_at = now(), revoked_reason = 'password reset'
          where user_id = ${userId} and revoked_at is null`;
        return userId;
      });
    },

    async removeExpired(): Promise<void> {
      await sql`delete from account_codes where expires_at < now() - interval '1 day'`;
    },
  };
}
