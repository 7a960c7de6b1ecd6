// Webhooks: what a site's own systems are told, by the scheme of Standard Webhooks (standardwebhooks.com).

export const webhookEvents = [
  'conversation.started',
  'turn.answered',
  'turn.unanswered',
  'feedback.received',
  'lead.created',
  'lead.verified',
  'lead.updated',
  'document.ready',
  'document.failed',
] as const;
export type WebhookEvent = (typeof webhookEvents)[number];

export interface Webhook {
  id: string;
  url: string;
  /** The types that it wants; empty: all. */
  events: WebhookEvent[];
  enabled: boolean;
  /** Why it was turned off by us; null where it was not. */
  disabledReason: string | null;
  createdAt: Date;
}

export type DeliveryStatus = 'pending' | 'delivered' | 'failed';

export interface WebhookDelivery {
  id: string;
  webhookId: string;
  eventId: string;
  eventType: string;
  status: DeliveryStatus;
  attempts: number;
  /** Of the last attempt; null where there was no answer. */
  responseStatus: number | null;
  error: string | null;
  createdAt: Date;
  finishedAt: Date | null;
}

/** How one attempt ended. */
export interface DeliveryAttempt {
  status: DeliveryStatus;
  responseStatus: number | null;
  error: string | null;
}
