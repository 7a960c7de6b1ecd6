import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { type ContactSyncStatus, contactProperties } from '../../domain/crm.ts';
import type { EraseVisitorInput, SyncContactInput } from '../../domain/flows.ts';
import { connectCrm } from '../../providers/crm/crm.ts';
import type { ContactErasure } from '../../stores/postgres/visitor-erasures.ts';
import type { ActivityDependencies } from '../index.ts';

type CrmDependencies = Pick<ActivityDependencies, 'stores' | 'safeFetch'>;

export function createCrmActivities({ stores, safeFetch }: CrmDependencies) {
  const { contactSyncs, crmConnections, visitorErasures } = stores;
  return {
    /** One attempt with the lead as it is now. `pending`: it has changed meanwhile. */
    async sendContact(input: SyncContactInput): Promise<{ status: ContactSyncStatus | 'not wanted' }> {
      const { projectId } = input;
      const outgoing = await contactSyncs.outgoing(input);
      if (!outgoing) return { status: 'not wanted' };
      const access = await crmConnections.access(projectId);
      if (!access) throw ApplicationFailure.nonRetryable('The project has no CRM any more.', 'CRM_NOT_FOUND');
      const { email, ...lead } = outgoing.lead;
      const contact = { email, properties: contactProperties({ email, ...lead }, access.mapping) };
      const signal = Context.current().cancellationSignal;
      try {
        const crm = connectCrm(access.crm, { ...access, fetch: safeFetch });
        const { contactId } = await crm.upsert(contact, signal);
        const status = await contactSyncs.sent(input, { revision: outgoing.revision, contactId });
        return { status: status ?? 'not wanted' };
      } catch (error) {
        await contactSyncs.noteFailure(input, (error as Error).message).catch(() => {});
        throw error;
      }
    },

    async giveUpContact(input: SyncContactInput, reason: string): Promise<void> {
      await contactSyncs.giveUp(input, reason);
    },

    /** Deletes the contact of a visitor who is being erased, as the project has it, and notes what became of it. */
    async eraseContact({
      projectId,
      erasureId,
    }: EraseVisitorInput): Promise<Pick<ContactErasure, 'outcome'>> {
      const note = async (outcome: ContactErasure['outcome'], reason: string | null = null) => {
        await visitorErasures.noteContact(projectId, erasureId, { outcome, reason });
        return { outcome };
      };
      const sent = await visitorErasures.contact(projectId, erasureId);
      if (!sent) return await note('never_sent');
      const access = await crmConnections.access(projectId);
      if (!access) return await note('kept', 'The project has no CRM any more.');
      if (access.onErasure === 'keep') return await note('kept', 'The project keeps contacts of the erased.');
      const crm = connectCrm(access.crm, { ...access, fetch: safeFetch });
      const erased = await crm.erase(sent.email, Context.current().cancellationSignal);
      return await note(erased ? 'deleted' : 'not_found');
    },

    /** The contact could not be deleted: the receipt says so. */
    async leaveContact({ projectId, erasureId }: EraseVisitorInput, reason: string): Promise<void> {
      await visitorErasures.noteContact(projectId, erasureId, { outcome: 'kept', reason });
    },
  };
}
