import { lead as timing, overdue } from '../../domain/deadlines.ts';
import { AppError } from '../../domain/errors.ts';
import { type Dispatch, leadVerificationDispatch } from '../../domain/flows.ts';
import { maxInputs, modeOfCalls, rulesOf, type SessionStage, type StepResult } from '../../domain/leads.ts';
import type { MailStatus } from '../../domain/mails.ts';
import { type ProjectSettings, projectSettings } from '../../domain/projects.ts';
import type { Query, Sql } from './client.ts';
import { insertDispatch } from './dispatches.ts';
import { newId } from './ids.ts';
import { asJson } from './json.ts';

export type LeadSessionStore = ReturnType<typeof createLeadSessionStore>;

export interface LeadSession {
  id: string;
  stage: SessionStage;
  name: string | null;
  email: string | null;
  language: string;
  leadId: string | null;
  conversationId: string | null;
  /** Of the mail with the newest code. */
  mailStatus: MailStatus | null;
}

export type InputKind = 'name' | 'email' | 'code' | 'resend';

export interface NewInput {
  kind: InputKind;
  /** Of a code its keyed hash. */
  value: string;
}

export interface HeldInput {
  id: string;
  kind: InputKind;
}

/** The stages in which the workflow waits for the visitor. */
const waiting = ['awaiting_name', 'awaiting_email', 'awaiting_otp'];

export function createLeadSessionStore(sql: Sql) {
  return {
    /** Begins a session, and its workflow where the visitor is asked right away. */
    async create(
      projectId: string,
      session: { language: string; ip: string; settings: ProjectSettings },
    ): Promise<{ sessionId: string; stage: SessionStage; dispatch: Dispatch | undefined }> {
      const sessionId = newId();
      const { leads } = session.settings;
      const stage = modeOfCalls(leads) === 'before' ? 'awaiting_name' : 'open';
      return await sql.begin(async (tx) => {
        const lasts = stage === 'open' ? leads.visitorDays * 86_400 : leads.sessionMinutes * 60;
        await tx`
          insert into lead_sessions (id, project_id, stage, language, ip, expires_at)
          values (${sessionId}, ${projectId}, ${stage}, ${session.language}, ${session.ip},
            now() + ${lasts} * interval '1 second')`;
        const dispatch =
          stage === 'open' ? undefined : await start(tx, projectId, sessionId, session.settings);
        return { sessionId, stage, dispatch };
      });
    },

    /** Turns from chatting to asking who the visitor is. Undefined where that has been done. */
    async ask(
      projectId: string,
      sessionId: string,
      settings: ProjectSettings,
    ): Promise<Dispatch | undefined> {
      return await sql.begin(async (tx) => {
        const turned = await tx`
          update lead_sessions set stage = 'awaiting_name',
            expires_at = now() + ${settings.leads.sessionMinutes * 60} * interval '1 second'
          where project_id = ${projectId} and id = ${sessionId} and stage = 'open' returning 1`;
        return turned.length > 0 ? await start(tx, projectId, sessionId, settings) : undefined;
      });
    },

    /** A session whose time has passed is `expired`, whether or not its workflow could say so yet. */
    async get(projectId: string, sessionId: string): Promise<LeadSession | undefined> {
      const [row] = await sql<LeadSession[]>`
        select s.id, s.name, s.email, s.language, s.lead_id, s.conversation_id, m.status as mail_status,
          case when s.stage <> 'blocked' and s.expires_at < now() then 'expired' else s.stage end as stage
        from lead_sessions s left join mails m on m.id = s.code_id
        where s.project_id = ${projectId} and s.id = ${sessionId}`;
      return row;
    },

    /** Answers that an open session has got, so that a project can ask after some. */
    async answers(projectId: string, sessionId: string): Promise<number> {
      const [row] = await sql<{ count: number }[]>`
        select count(*)::int as count from turns t
        join lead_sessions s on s.conversation_id = t.conversation_id
        where s.project_id = ${projectId} and s.id = ${sessionId} and t.status in ('answered', 'declined')`;
      return row!.count;
    },

    async setConversation(projectId: string, sessionId: string, conversationId: string): Promise<void> {
      await sql`
        update lead_sessions set conversation_id = ${conversationId}
        where project_id = ${projectId} and id = ${sessionId} and conversation_id is null`;
    },

    /** Adds what the visitor said of themselves beside name and address. */
    async addFields(projectId: string, sessionId: string, fields: Record<string, string>): Promise<void> {
      await sql`
        update lead_sessions set fields = fields || ${asJson(sql, fields)}
        where project_id = ${projectId} and id = ${sessionId}`;
    },

    /**
     * Takes over what an earlier call with the same text stored and whose reply never got out: a call that was answered
     * with 503, or whose API died, is repeated, and must not count twice. `held` while that call may still be under way.
     */
    async takeOver(
      projectId: string,
      sessionId: string,
      inputs: readonly NewInput[],
    ): Promise<HeldInput | 'held' | undefined> {
      const kinds = inputs.map(({ kind }) => kind);
      const values = inputs.map(({ value }) => value);
      const [left] = await sql<{ id: string | null; kind: InputKind }[]>`
        with same as (
          select id, kind from lead_inputs
          where project_id = ${projectId} and session_id = ${sessionId} and not delivered
            and created_at > now() - ${timing.repeatWithin} * interval '1 millisecond'
            and (kind, value) in (select * from unnest(${sql.array(kinds)}::text[], ${sql.array(values)}::text[]))
          order by created_at limit 1),
        taken as (
          update lead_inputs i set held_until = now() + ${timing.hold} * interval '1 millisecond'
          from same where i.id = same.id and i.held_until < now() returning i.id)
        select taken.id, same.kind from same left join taken on taken.id = same.id`;
      if (!left) return undefined;
      const { id, kind } = left;
      return id === null ? 'held' : { id, kind };
    },

    /** Stores what a visitor entered, for this call to work on. Undefined where the session has far too many inputs. */
    async hold(projectId: string, sessionId: string, input: NewInput): Promise<HeldInput | undefined> {
      const [row] = await sql<HeldInput[]>`
        insert into lead_inputs (id, project_id, session_id, kind, value, held_until)
        select ${newId()}, ${projectId}, ${sessionId}, ${input.kind}, ${input.value},
          now() + ${timing.hold} * interval '1 millisecond'
        where (select count(*) from lead_inputs where session_id = ${sessionId}) < ${maxInputs}
        returning id, kind`;
      return row;
    },

    /** Steps that are recorded and whose reply never got out, in their order. */
    async undelivered(projectId: string, sessionId: string): Promise<HeldInput[]> {
      return await sql<HeldInput[]>`
        select id, kind from lead_inputs
        where project_id = ${projectId} and session_id = ${sessionId} and outcome is not null and not delivered
        order by created_at, id`;
    },

    /** What is recorded of an input, where its step was taken. */
    async outcome(projectId: string, inputId: string): Promise<StepResult | null> {
      const [row] = await sql<{ outcome: StepResult | null }[]>`
        select outcome from lead_inputs where project_id = ${projectId} and id = ${inputId}`;
      return row?.outcome ?? null;
    },

    /** The call got no answer from the workflow: the next one like it may take over at once. */
    async release(projectId: string, inputId: string): Promise<void> {
      await sql`update lead_inputs set held_until = now() where project_id = ${projectId} and id = ${inputId}`;
    },

    /** The reply is out: the same text is a new input from now on. */
    async delivered(projectId: string, inputId: string): Promise<void> {
      await sql`update lead_inputs set delivered = true where project_id = ${projectId} and id = ${inputId}`;
    },

    /** Keeps a question that came before the visitor is verified. The same question again is the same question. */
    async keepQuestion(projectId: string, sessionId: string, question: string): Promise<void> {
      await sql`
        insert into lead_inputs (id, project_id, session_id, kind, value, held_until, delivered)
        select ${newId()}, ${projectId}, ${sessionId}, 'question', ${question}, now(), true
        where not exists (select 1 from lead_inputs where project_id = ${projectId}
            and session_id = ${sessionId} and kind = 'question' and value = ${question})
          and (select count(*) from lead_inputs where session_id = ${sessionId}) < ${maxInputs}`;
    },

    /** Questions that were kept, in order; `turnId` once they have been asked. */
    async keptQuestions(
      projectId: string,
      sessionId: string,
    ): Promise<{ inputId: string; question: string; turnId: string | null }[]> {
      return await sql<{ inputId: string; question: string; turnId: string | null }[]>`
        select id as input_id, value as question, turn_id from lead_inputs
        where project_id = ${projectId} and session_id = ${sessionId} and kind = 'question'
        order by created_at, id`;
    },

    async questionAsked(projectId: string, inputId: string, turnId: string): Promise<void> {
      await sql`update lead_inputs set turn_id = ${turnId} where project_id = ${projectId} and id = ${inputId}`;
    },

    /** Ends a session that waits for its visitor; one that is ready or has ended stays. Returns the stage. */
    async end(
      projectId: string,
      sessionId: string,
      end: { stage: 'expired' | 'blocked'; reason: string },
    ): Promise<SessionStage | undefined> {
      const [row] = await sql<{ stage: SessionStage }[]>`
        with ended as (
          update lead_sessions set stage = ${end.stage}, reason = ${end.reason}
          where project_id = ${projectId} and id = ${sessionId} and stage in ${sql(waiting)} returning stage)
        select stage from ended union all
        select stage from lead_sessions where project_id = ${projectId} and id = ${sessionId} limit 1`;
      return row?.stage;
    },

    /** For the sweep: sessions that should have ended, so their workflow may have been ended from outside. */
    async claimOverdue(limit: number): Promise<{ projectId: string; sessionId: string }[]> {
      return await sql<{ projectId: string; sessionId: string }[]>`
        update lead_sessions set checked_at = now() where id in (
          select id from lead_sessions
          where stage in ${sql(waiting)}
            and expires_at < now() - ${overdue.leadGrace} * interval '1 millisecond'
            and (checked_at is null or checked_at < now() - ${overdue.leadGrace} * interval '1 millisecond')
          order by checked_at nulls first limit ${limit} for update skip locked)
        returning project_id, id as session_id`;
    },

    /** The settings that hold for the project now. */
    async settings(projectId: string): Promise<{ name: string; settings: ProjectSettings }> {
      const [row] = await sql<{ name: string; settings: unknown }[]>`
        select name, settings from projects where id = ${projectId}`;
      if (!row) throw new AppError('ASSISTANT_SESSION_NOT_FOUND');
      return { name: row.name, settings: projectSettings.parse(row.settings) };
    },
  };
}

async function start(
  tx: Query,
  projectId: string,
  sessionId: string,
  settings: ProjectSettings,
): Promise<Dispatch> {
  const dispatch = leadVerificationDispatch({ projectId, sessionId, rules: rulesOf(settings.leads) });
  await insertDispatch(tx, dispatch);
  return dispatch;
}
