import type { Dispatch } from '../../domain/flows.ts';
import { mailLanguageOf, type TranscriptLine } from '../../domain/mails.ts';
import { projectSettings } from '../../domain/projects.ts';
import type { Encryption } from '../../encryption.ts';
import type { Query, Sql } from './client.ts';
import { newId } from './ids.ts';
import { insertMail } from './mails.ts';
import { insertWebhookEvent } from './webhook-events.ts';

export type LeadMessageStore = ReturnType<typeof createLeadMessageStore>;

/** What a visitor wants to be told to the business, as the model has taken it down. */
export interface LeadMessage {
  name: string;
  /** In lower case. */
  email: string;
  message: string;
}

/** `repeated`: this turn has sent one. `not_said`: the visitor has not written this address. */
export type LeadMessageOutcome = 'sent' | 'repeated' | 'too_many' | 'not_said';

/** More than any honest visitor sends in one conversation. */
const perConversation = 3;
const transcriptTurns = 200;

export function createLeadMessageStore(sql: Sql, encryption: Encryption) {
  return {
    /** Who is written to for the pages of this host: its own recipients, else those of all of the project's leads. */
    async recipients(projectId: string, host: string): Promise<string[]> {
      const [row] = await sql<{ ofHost: string[] | null; settings: unknown }[]>`
        select p.settings, (select lead_recipients from hosts h where h.project_id = p.id and h.host = ${host}) as of_host
        from projects p where p.id = ${projectId}`;
      if (!row) return [];
      return row.ofHost?.length ? row.ofHost : projectSettings.parse(row.settings).leads.notify;
    },

    /**
     * Makes a lead of the visitor and mails what they said to the recipients: once for a turn, however often that is
     * tried. The address is as they typed it, so a lead that is there is not changed by it.
     */
    async record(
      projectId: string,
      turnId: string,
      { name, email, message }: LeadMessage,
      recipients: readonly string[],
    ): Promise<{ outcome: LeadMessageOutcome; dispatches: Dispatch[] }> {
      return await sql.begin(async (tx) => {
        const outcome = (named: LeadMessageOutcome) => ({ outcome: named, dispatches: [] });
        const [turn] = await tx<{ conversationId: string; said: boolean; name: string; settings: unknown }[]>`
          select c.id as conversation_id, p.name, p.settings, exists (select 1 from turns e
            where e.conversation_id = c.id and e.position <= t.position
              and strpos(lower(e.question), ${email}) > 0) as said
          from turns t join conversations c on c.id = t.conversation_id join projects p on p.id = t.project_id
          where t.project_id = ${projectId} and t.id = ${turnId} for update of c`;
        if (!turn?.said) return outcome('not_said');
        const { conversationId } = turn;
        const [sent] = await tx<{ here: boolean; count: number }[]>`
          select coalesce(bool_or(n.id = ${turnId}), false) as here, count(*)::int as count
          from lead_notes n join turns t on t.id = n.id where t.conversation_id = ${conversationId}`;
        if (sent!.here) return outcome('repeated');
        if (sent!.count >= perConversation) return outcome('too_many');

        const project = { name: turn.name, settings: projectSettings.parse(turn.settings) };
        const language = project.settings.primaryLanguage;
        const [created] = await tx<{ id: string }[]>`
          insert into leads (id, project_id, email, name, language, verified_at)
          values (${newId()}, ${projectId}, ${email}, ${name}, ${language}, null)
          on conflict (project_id, email) do nothing returning id`;
        const [lead] = await tx<{ id: string; verifiedAt: Date | null }[]>`
          select id, verified_at from leads where project_id = ${projectId} and email = ${email}`;
        const leadId = lead!.id;
        // Whoever types another's address does not get into that lead's conversations.
        if (!lead!.verifiedAt) {
          await tx`
            update conversations set lead_id = ${leadId}
            where project_id = ${projectId} and id = ${conversationId} and lead_id is null`;
        }
        // By the turn's id, which is how a repeated call is known.
        await tx`
          insert into lead_notes (id, project_id, lead_id, text)
          values (${turnId}, ${projectId}, ${leadId}, ${message})`;
        if (created) {
          await insertWebhookEvent(tx, projectId, 'lead.created', { leadId, email, name, fields: {} });
        }
        const params = {
          project: project.settings.siteName || project.name,
          lead: { name, email, fields: {} },
          message,
          transcript: await transcriptOf(tx, projectId, conversationId),
        };
        const dispatches: Dispatch[] = [];
        for (const to of recipients) {
          const mail = { projectId, template: 'lead_notification', params, to, leadId } as const;
          dispatches.push(await insertMail(tx, encryption, { ...mail, language: mailLanguageOf(language) }));
        }
        return { outcome: 'sent', dispatches };
      });
    },
  };
}

async function transcriptOf(tx: Query, projectId: string, conversationId: string): Promise<TranscriptLine[]> {
  const rows = await tx<{ question: string; reply: string | null }[]>`
    select question, reply from turns where project_id = ${projectId} and conversation_id = ${conversationId}
    order by position limit ${transcriptTurns}`;
  return rows.flatMap(({ question, reply }): TranscriptLine[] => [
    { from: 'visitor', text: question },
    ...(reply === null ? [] : [{ from: 'assistant' as const, text: reply }]),
  ]);
}
