import { type Client, ScheduleAlreadyRunning, ScheduleOverlapPolicy } from '@temporalio/client';

export const retentionSchedule = 'retention';

/** Sets up what runs by the clock for the whole installation. What is there stays as it is, paused or moved by hand. */
export async function setUpSchedules(client: Client): Promise<void> {
  try {
    await client.schedule.create({
      scheduleId: retentionSchedule,
      // Where it is night in Europe; the removal is gentle enough for any other hour.
      spec: { calendars: [{ hour: 2, minute: 30 }], jitter: '20 minutes' },
      policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '1 day' },
      action: {
        type: 'startWorkflow',
        workflowType: 'applyRetention',
        workflowId: 'retention',
        taskQueue: 'ingestion',
        staticSummary: 'remove what projects do not want to keep',
      },
    });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
  }
}
