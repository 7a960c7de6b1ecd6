import { proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { crm, record } from '../domain/deadlines.ts';
import type { SyncContactInput } from '../domain/flows.ts';
import { orGiveUp } from './give-up.ts';

const { sendContact } = proxyActivities<Activities>({
  summary: 'send the lead to the CRM',
  startToCloseTimeout: crm.attempt,
  scheduleToCloseTimeout: crm.giveUpAfter,
  retry: crm.retry,
});
const { giveUpContact } = proxyActivities<Activities>({
  summary: 'record that it was given up',
  startToCloseTimeout: record.attempt,
  retry: record.retry,
});

/** Makes a contact of a lead, or changes it, for as long as days. What changes meanwhile is sent, too. */
export async function syncContact(input: SyncContactInput): Promise<void> {
  await orGiveUp(
    async () => {
      while ((await sendContact(input)).status === 'pending');
    },
    (reason) => giveUpContact(input, reason),
    'CONTACT_GIVEN_UP',
  );
  setCurrentDetails('The lead is in the CRM');
}
