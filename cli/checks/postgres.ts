import { overdue } from '../../domain/deadlines.ts';
import type { DiagnosticsStore } from '../../stores/postgres/diagnostics.ts';
import { count, duration, fail, type Finding, masked, ok, warn } from '../finding.ts';

const minimumVersion = 14;
/** Seconds. The API starts its dispatches at once, and sweeps try again every half minute at the latest. */
const dispatchesLate = 60;
const dispatchesStuck = 600;
/** Seconds. A mail server that asks to be tried again later is tried again within five minutes. */
const mailsLate = 300;
/** Seconds. Sweeps record what became of an overdue turn well before. */
const turnsStuck = 300;

export async function checkPostgres(diagnostics: DiagnosticsStore): Promise<Finding> {
  const version = await diagnostics.serverVersion();
  if (version.number >= minimumVersion * 10_000) return ok('PostgreSQL', `version ${version.text}`);
  return fail('PostgreSQL', `version ${version.text}`, `Upgrade to ${minimumVersion} or newer`);
}

export async function checkMigrations(
  diagnostics: DiagnosticsStore,
  shipped: readonly string[],
): Promise<Finding> {
  const applied = await diagnostics.appliedMigrations();
  const missing = shipped.filter((name) => !applied.includes(name));
  const unknown = applied.filter((name) => !shipped.includes(name));
  if (missing.length > 0) {
    return fail('Migrations', `not applied: ${missing.join(', ')}`, 'Run `npm run migrate`');
  }
  if (unknown.length > 0) {
    const detail = `the database is newer than this program: ${unknown.join(', ')}`;
    return warn('Migrations', detail, 'Install the version that made these changes');
  }
  return ok('Migrations', `${applied.length} applied`);
}

export async function checkDispatches(diagnostics: DiagnosticsStore): Promise<Finding> {
  const waiting = await diagnostics.dispatches();
  const { oldestSeconds, lastError } = waiting;
  if (waiting.count === 0) return ok('Dispatches', 'none waiting');
  const oldest = `${count(waiting.count, 'workflow start')} waiting, the oldest for ${duration(oldestSeconds)}`;
  const detail = lastError ? `${oldest}: ${masked(lastError)}` : oldest;
  const data = { ...waiting, lastError: lastError && masked(lastError) };
  if (oldestSeconds < dispatchesLate) return ok('Dispatches', detail, { data });
  const late = oldestSeconds < dispatchesStuck ? warn : fail;
  return late('Dispatches', detail, 'They are made as soon as Temporal answers and a worker runs', { data });
}

export async function checkOverdueTurns(diagnostics: DiagnosticsStore): Promise<Finding> {
  const late = await diagnostics.overdueTurns();
  if (late.count === 0) return ok('Overdue turns', 'none');
  const detail = `${count(late.count, 'turn')} past the deadline, the oldest running for ${duration(late.oldestSeconds)}`;
  const remedy = "Workers record what became of them: look at the workers' log and at Temporal";
  const stuck = late.oldestSeconds < turnsStuck ? warn : fail;
  return stuck('Overdue turns', detail, remedy, { data: { ...late } });
}

/** A warning at most: in a long upload most documents wait for their turn. */
export async function checkSilentDocuments(diagnostics: DiagnosticsStore): Promise<Finding> {
  const silent = await diagnostics.silentDocuments();
  if (silent.count === 0) return ok('Documents', 'none without progress');
  const since = duration(overdue.documentSilence / 1000);
  const detail = `${count(silent.count, 'document')} without progress for over ${since}, the longest for ${duration(silent.oldestSeconds)}`;
  const remedy =
    'Normal while a large upload waits for the workers. Else open their workflows in Temporal: `ingest/…`';
  return warn('Documents', detail, remedy, { data: { ...silent } });
}

/** Mails that wait although their server has been tried, and those that ended unsent in the last day. */
export async function checkMails(diagnostics: DiagnosticsStore): Promise<Finding> {
  const { waiting, failed, lastReason } = await diagnostics.mails();
  const late = waiting.oldestSeconds >= mailsLate;
  if (!late && failed === 0) return ok('Mails', `${count(waiting.count, 'mail')} waiting`);
  const parts = [
    ...(waiting.count > 0
      ? [`${count(waiting.count, 'mail')} waiting, the oldest for ${duration(waiting.oldestSeconds)}`]
      : []),
    ...(failed > 0 ? [`${count(failed, 'mail')} refused or given up within a day`] : []),
  ];
  const detail = parts.join('; ') + (lastReason ? `: ${masked(lastReason)}` : '');
  const remedy = 'Open their workflows in Temporal: `mail/…`. If all fail, correct the mail settings';
  return warn('Mails', detail, remedy, { data: { ...waiting, failed } });
}

/** Webhooks' events and the CRM's contacts that were given up within a day. */
export async function checkUndelivered(diagnostics: DiagnosticsStore): Promise<Finding> {
  const undelivered = await diagnostics.undelivered();
  const { webhooks, contacts, lastReason } = undelivered;
  if (webhooks + contacts === 0) return ok('Webhooks and CRM', 'nothing given up within a day');
  const parts = [
    ...(webhooks > 0 ? [count(webhooks, 'event')] : []),
    ...(contacts > 0 ? [count(contacts, 'contact')] : []),
  ];
  const detail = `${parts.join(' and ')} given up within a day${lastReason ? `: ${masked(lastReason)}` : ''}`;
  const remedy = 'Correct the receiver, then replay (`/webhooks/…/deliveries`) or retry (`/crm/contacts`)';
  return warn('Webhooks and CRM', detail, remedy, { data: { webhooks, contacts } });
}
