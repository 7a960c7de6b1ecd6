// What the verification's workflow records: each step once, however often its activity runs.
import { randomInt } from 'node:crypto';
import { AppError } from '../../domain/errors.ts';
import type { Dispatch } from '../../domain/flows.ts';
import type { Outcome, SessionStage, StepResult } from '../../domain/leads.ts';
import { mailLanguageOf } from '../../domain/mails.ts';
import type { ProjectSettings } from '../../domain/projects.ts';
import type { Encryption } from '../../encryption.ts';
import type { Query, Sql } from './client.ts';
import { recordLead } from './leads.ts';
import { insertMail } from './mails.ts';
import { asJson } from './json.ts';

export type LeadStepStore = ReturnType<typeof createLeadStepStore>;

/** What a step did, and the mails that it wrote down. */
export interface Step {
  result: StepResult;
  leadId?: string;
  dispatches: Dispatch[];
}

interface SessionRow {
  stage: SessionStage;
  name: string | null;
  email: string | null;
  fields: Record<string, string>;
  consent: object | null;
  language: string;
  ip: string;
  codeId: string | null;
  leadId: string | null;
}

interface ProjectRow {
  name: string;
  settings: ProjectSettings;
}

export function createLeadStepStore(sql: Sql, encryption: Encryption) {
  /** Six digits are too few for a plain hash. */
  const hashOf = (sessionId: string, code: string) => encryption.mac(code, `lead_codes/${sessionId}`);

  /** Runs a step on a session, once for each input: a repeated run gets the first one's result. */
  async function once(
    projectId: string,
    sessionId: string,
    inputId: string,
    step: (tx: Query, session: SessionRow, value: string) => Promise<Step>,
  ): Promise<Step> {
    return await sql.begin(async (tx) => {
      const [session] = await tx<SessionRow[]>`
        select stage, name, email, fields, consent, language, ip, code_id, lead_id from lead_sessions
        where project_id = ${projectId} and id = ${sessionId} for update`;
      const [input] = await tx<{ value: string; outcome: StepResult | null }[]>`
        select value, outcome from lead_inputs
        where project_id = ${projectId} and session_id = ${sessionId} and id = ${inputId}`;
      if (!session || !input) throw new AppError('ASSISTANT_SESSION_NOT_FOUND');
      if (input.outcome) {
        return {
          result: input.outcome,
          dispatches: [],
          ...(session.leadId ? { leadId: session.leadId } : {}),
        };
      }
      const done = await step(tx, session, input.value);
      await tx`
        update lead_inputs set outcome = ${asJson(tx, done.result)}
        where project_id = ${projectId} and id = ${inputId}`;
      return done;
    });
  }

  /** Sets columns of the session and gives its visitor time again. */
  const touch = (tx: Query, projectId: string, sessionId: string, minutes: number, values: object) =>
    tx`update lead_sessions set ${tx(values as Record<string, string>)},
        expires_at = now() + ${minutes * 60} * interval '1 second'
      where project_id = ${projectId} and id = ${sessionId}`;

  /** Makes a code and its mail, unless this address, network address or project has had too many within an hour. */
  async function issueCode(
    tx: Query,
    projectId: string,
    sessionId: string,
    code: { id: string; email: string; session: SessionRow; project: ProjectRow },
  ): Promise<Step> {
    const { id, email, session, project } = code;
    const { leads } = project.settings;
    // One after the other, so that parallel calls cannot pass a limit together.
    await tx`select pg_advisory_xact_lock(hashtextextended(${`lead_codes/${projectId}`}, 0))`;
    const [recent] = await tx<{ wait: number | null }[]>`
      with hour as (
        select email, ip, created_at from lead_codes
        where project_id = ${projectId} and created_at > now() - interval '1 hour'),
      nth as (
        (select created_at from hour where email = ${email}
          order by created_at desc offset ${leads.codesPerAddress - 1} limit 1)
        union all
        (select created_at from hour where ip = ${session.ip}
          order by created_at desc offset ${leads.codesPerIp - 1} limit 1)
        union all
        (select created_at from hour order by created_at desc offset ${leads.codesPerProject - 1} limit 1))
      select ceil(extract(epoch from max(created_at) + interval '1 hour' - now()))::int as wait from nth`;
    if (recent?.wait) {
      const result = { stage: session.stage, outcome: 'mail_limit', retryAfterSeconds: recent.wait } as const;
      return { result, dispatches: [] };
    }
    const digits = String(randomInt(1_000_000)).padStart(6, '0');
    await tx`
      insert into lead_codes (id, project_id, session_id, email, ip, hash)
      values (${id}, ${projectId}, ${sessionId}, ${email}, ${session.ip},
        ${hashOf(sessionId, digits)})`;
    const params = {
      code: digits,
      minutes: leads.codeMinutes,
      project: project.settings.siteName || project.name,
    };
    const language = mailLanguageOf(session.language);
    const dispatch = await insertMail(
      tx,
      encryption,
      { projectId, template: 'lead_code', params, to: email, language },
      id,
    );
    await touch(tx, projectId, sessionId, leads.sessionMinutes, {
      stage: 'awaiting_otp',
      email,
      code_id: id,
    });
    return { result: { stage: 'awaiting_otp', outcome: 'code_sent' }, dispatches: [dispatch] };
  }

  return {
    hashOf,

    /** What was entered. */
    async value(projectId: string, sessionId: string, inputId: string): Promise<string> {
      const [row] = await sql<{ value: string }[]>`
        select value from lead_inputs
        where project_id = ${projectId} and session_id = ${sessionId} and id = ${inputId}`;
      if (!row) throw new AppError('ASSISTANT_SESSION_NOT_FOUND');
      return row.value;
    },

    /** Records that an input changed nothing. */
    async refuse(
      projectId: string,
      sessionId: string,
      inputId: string,
      refused: { outcome: Outcome; project: ProjectRow },
    ): Promise<Step> {
      const { outcome, project } = refused;
      return await once(projectId, sessionId, inputId, async (tx, { stage }) => {
        await touch(tx, projectId, sessionId, project.settings.leads.sessionMinutes, { stage });
        return { result: { stage, outcome }, dispatches: [] };
      });
    },

    async takeName(
      projectId: string,
      sessionId: string,
      inputId: string,
      taken: { name: string; project: ProjectRow },
    ): Promise<Step> {
      return await once(projectId, sessionId, inputId, async (tx) => {
        const { sessionMinutes } = taken.project.settings.leads;
        await touch(tx, projectId, sessionId, sessionMinutes, { stage: 'awaiting_email', name: taken.name });
        return { result: { stage: 'awaiting_email', outcome: 'name_taken' }, dispatches: [] };
      });
    },

    /** Takes an address and mails a code to it; the address that has one already gets no second. */
    async takeEmail(
      projectId: string,
      sessionId: string,
      inputId: string,
      taken: { email: string; project: ProjectRow },
    ): Promise<Step> {
      const { email, project } = taken;
      return await once(projectId, sessionId, inputId, async (tx, session) => {
        if (session.stage === 'awaiting_otp' && session.email === email) {
          return { result: { stage: session.stage, outcome: 'code_already_sent' }, dispatches: [] };
        }
        const step = await issueCode(tx, projectId, sessionId, { id: inputId, email, session, project });
        const { consent } = project.settings.leads;
        if (consent && step.result.outcome === 'code_sent') {
          const given = { ...consent, at: new Date().toISOString() };
          await tx`
            update lead_sessions set consent = ${asJson(tx, given)}
            where project_id = ${projectId} and id = ${sessionId}`;
        }
        return step;
      });
    },

    async resend(projectId: string, sessionId: string, inputId: string, project: ProjectRow): Promise<Step> {
      return await once(projectId, sessionId, inputId, async (tx, session) => {
        if (session.stage !== 'awaiting_otp' || !session.email) {
          return { result: { stage: session.stage, outcome: 'code_not_pending' }, dispatches: [] };
        }
        return await issueCode(tx, projectId, sessionId, {
          id: inputId,
          email: session.email,
          session,
          project,
        });
      });
    },

    /** Compares a code; the right one is used up and makes the visitor a lead. */
    async checkCode(
      projectId: string,
      sessionId: string,
      inputId: string,
      project: ProjectRow,
    ): Promise<Step> {
      return await once(projectId, sessionId, inputId, async (tx, session, value) => {
        const { leads } = project.settings;
        const [code] = await tx<{ hash: string; wrongTries: number }[]>`
          select hash, wrong_tries from lead_codes
          where project_id = ${projectId} and id = ${session.codeId} and used_at is null`;
        if (session.stage !== 'awaiting_otp' || !code) {
          const outcome = session.stage === 'awaiting_otp' ? 'code_not_found' : 'code_not_pending';
          return { result: { stage: session.stage, outcome }, dispatches: [] };
        }
        if (code.hash !== value) {
          const triesLeft = Math.max(0, leads.codeTries - code.wrongTries - 1);
          const stage = triesLeft === 0 ? 'blocked' : 'awaiting_otp';
          const reason = triesLeft === 0 ? `${leads.codeTries} wrong codes` : null;
          await tx`
            update lead_codes set wrong_tries = wrong_tries + 1
            where project_id = ${projectId} and id = ${session.codeId}`;
          await touch(tx, projectId, sessionId, leads.sessionMinutes, { stage, reason });
          return { result: { stage, outcome: 'code_wrong', triesLeft }, dispatches: [] };
        }
        await tx`
          update lead_codes set used_at = now() where project_id = ${projectId} and id = ${session.codeId}`;
        const { leadId, dispatches } = await recordLead(tx, encryption, projectId, {
          sessionId,
          name: session.name ?? '',
          email: session.email!,
          fields: session.fields,
          consent: session.consent,
          language: session.language,
          project,
        });
        await touch(tx, projectId, sessionId, leads.visitorDays * 1_440, { stage: 'ready', lead_id: leadId });
        return { result: { stage: 'ready', outcome: 'verified' }, leadId, dispatches };
      });
    },
  };
}
