import { account, mail as timing, overdue } from '../../domain/deadlines.ts';
import { type Dispatch, sendMailDispatch } from '../../domain/flows.ts';
import {
  type MailBrand,
  type MailEnd,
  type MailLanguage,
  type MailParams,
  type MailStatus,
  type MailTemplate,
  type NewMail,
  productBrand,
} from '../../domain/mails.ts';
import type { Encryption } from '../../encryption.ts';
import type { Query, Sql } from './client.ts';
import { insertDispatch } from './dispatches.ts';
import { newId } from './ids.ts';

export type MailStore = ReturnType<typeof createMailStore>;

/** A mail that is to be sent now, with what its text is made of. */
export type OpenedMail = {
  [T in MailTemplate]: {
    id: string;
    template: T;
    params: MailParams[T];
    recipient: string;
    language: MailLanguage;
    brand: MailBrand;
    expired: boolean;
  };
}[MailTemplate];

export const contextOf = (mailId: string) => `mails/${mailId}`;

/**
 * Writes a mail and its workflow's start, in the caller's transaction. Give the dispatch to `dispatcher.startSoon` after
 * the commit. `id` may be given where a retried call must not write a second mail; then a mail that is there stays.
 */
export async function insertMail(
  tx: Query,
  encryption: Encryption,
  mail: NewMail,
  id: string = newId(),
): Promise<Dispatch> {
  const { projectId, template, params, to, language, leadId = null } = mail;
  // A visitor waits for a lead's code, whose time runs. An account's code gets its time when the mail is handed over.
  const lasts = template === 'lead_code' ? params.minutes * 60_000 : timing.giveUpAfter;
  const sealed = encryption.encrypt(JSON.stringify(params), contextOf(id));
  await tx`
    insert into mails (id, project_id, template, recipient, language, params, lead_id, expires_at)
    values (${id}, ${projectId}, ${template}, ${to}, ${language}, ${sealed}, ${leadId},
      now() + ${lasts} * interval '1 millisecond')
    on conflict (id) do nothing`;
  const dispatch = sendMailDispatch({ projectId, mailId: id });
  await insertDispatch(tx, dispatch);
  return dispatch;
}

/** The project id is null for account mails, here and everywhere below. */
export function createMailStore(sql: Sql, encryption: Encryption) {
  const own = (projectId: string | null, mailId: string) =>
    sql`id = ${mailId} and project_id is not distinct from ${projectId}`;

  return {
    /** Whether it is still to be sent, and for how many milliseconds that is of use. */
    async patience(
      projectId: string | null,
      mailId: string,
    ): Promise<{ status: MailStatus; patience: number } | undefined> {
      const [row] = await sql<{ status: MailStatus; patience: number }[]>`
        select status, ceil(extract(epoch from expires_at - now()) * 1000)::float8 as patience
        from mails where ${own(projectId, mailId)}`;
      return row;
    },

    /** Counts a try and returns what it sends; undefined where the mail has ended or is gone. */
    async beginAttempt(projectId: string | null, mailId: string): Promise<OpenedMail | undefined> {
      const [row] = await sql<
        {
          template: MailTemplate;
          recipient: string;
          language: MailLanguage;
          params: string;
          expired: boolean;
          name: string | null;
          color: string | null;
        }[]
      >`
        with mail as (
          update mails set attempts = attempts + 1 where ${own(projectId, mailId)} and status = 'queued'
          returning template, recipient, language, params, project_id, expires_at <= now() as expired)
        select mail.template, mail.recipient, mail.language, mail.params, mail.expired,
          coalesce(nullif(p.settings->>'siteName', ''), p.name) as name, p.settings->>'primaryColor' as color
        from mail left join projects p on p.id = mail.project_id`;
      if (!row) return undefined;
      const { params, name, color, ...rest } = row;
      return {
        ...rest,
        id: mailId,
        params: JSON.parse(encryption.decrypt(params, contextOf(mailId))),
        brand: { name: name ?? productBrand.name, color: color ?? productBrand.color },
      } as OpenedMail;
    },

    /** Notes why a try did not succeed, for whoever looks while it is tried again. */
    async noteTrouble(projectId: string | null, mailId: string, reason: string): Promise<void> {
      await sql`
        update mails set reason = ${reason.slice(0, 500)}
        where ${own(projectId, mailId)} and status = 'queued'`;
    },

    /** Records how it ended, once, and removes what its text was made of. Returns what is recorded. */
    async end(projectId: string | null, mailId: string, end: MailEnd): Promise<MailStatus | undefined> {
      const reason = end.status === 'sent' ? null : end.reason.slice(0, 500);
      await sql`
        update mails set status = ${end.status}, reason = ${reason}, params = null, ended_at = now()
        where ${own(projectId, mailId)} and status = 'queued'`;
      if (end.status === 'sent') {
        await sql`
          update account_codes set expires_at = least(expires_at, now() + ${account.code} * interval '1 millisecond')
          where mail_id = ${mailId}`;
      }
      const [row] = await sql<{ status: MailStatus }[]>`
        select status from mails where ${own(projectId, mailId)}`;
      return row?.status;
    },

    /** For the sweep: mails of no more use that are still to be sent, so their workflow may have been ended. */
    async claimOverdue(limit: number): Promise<{ projectId: string | null; mailId: string }[]> {
      return await sql<{ projectId: string | null; mailId: string }[]>`
        update mails set checked_at = now() where id in (
          select id from mails
          where status = 'queued' and expires_at < now() - ${overdue.mailGrace} * interval '1 millisecond'
            and (checked_at is null or checked_at < now() - ${overdue.mailGrace} * interval '1 millisecond')
          order by checked_at nulls first limit ${limit} for update skip locked)
        returning project_id, id as mail_id`;
    },
  };
}
