// Every timeout, retry and deadline in one place; docs/deadlines.md explains each. Durations are milliseconds.

/** A chat turn, from its workflow's start to its recorded outcome. */
export const turn = {
  /** Then the turn is recorded as failed: no visitor waits longer. */
  deadline: 90_000,
  /** The quick first try at retrieval, inside the workflow task. */
  firstRetrieval: 2_000,
  /** One try of retrieval as a normal activity. */
  retrieval: 10_000,
  /** Without a sign of life for this long the generating worker is taken for dead and the turn is retried. */
  generationHeartbeat: 3_000,
  /** How often the generating activity shows a sign of life. */
  heartbeatEvery: 1_000,
  /** A workflow task whose worker died is given to another after this. */
  workflowTask: 3_000,
  /** Tokens are written as frames in batches of this length; the first goes at once. */
  frameBatch: 40,
  /** A whole answer waits this long at most to be recorded while other visitors have no first token yet. */
  recordingWait: 5_000,
  /** A turn that is being recorded holds up others this long at most. */
  recordingSlot: 1_000,
  retry: { initialInterval: 250, backoffCoefficient: 2, maximumInterval: 3_000 },
  /** One try of summarising a conversation's earlier turns, after the answer. */
  summary: 60_000,
} as const;

/** A call to a model over the network. */
export const models = {
  /** From the call to the first word of an answer. */
  firstToken: 30_000,
  /** From one part of an answer to the next. */
  betweenTokens: 15_000,
  /** Making a follow-up question whole; after this the rules do it. Part of the quick first try at retrieval. */
  rewrite: 1_200,
  /** Comparing a sentence of an answer with its source by meaning; after this only the words count. */
  support: 2_000,
  /** One batch of embeddings. */
  embedding: 20_000,
  /** Ordering a search's best once more; after this the search goes on without it. Part of the quick first try too. */
  rerank: 600,
  /** Listing a provider's models, which is also how its health is seen. */
  list: 10_000,
} as const;

export const ingestion = {
  /** One try of a step; a step that was cut off goes on where it stopped. */
  step: 6 * 60 * 60 * 1000,
  /** Reading one document; a file that takes longer is taken for hostile. */
  parsing: 120_000,
  /** As for a turn; documents may wait a little longer. */
  heartbeat: 5_000,
  /** Each is a write of Temporal's. Stop and pause reach a step with the next one. */
  heartbeatEvery: 2_000,
  retry: { initialInterval: 500, backoffCoefficient: 2, maximumInterval: 30_000 },
  /** A write of a stopped ingestion may still land in Elasticsearch this long after it (elasticsearch.shardWait). */
  lateWrites: 15_000,
  /** Removing what a version that ended badly had indexed; what stays is never shown and goes with the next version. */
  withdraw: 60_000,
  /** A failing step is tried for this long (an outage of Elasticsearch, say) before the document fails. */
  giveUpAfter: 24 * 60 * 60 * 1000,
} as const;

/** Moving a project to another embedding model. */
export const rebuild = {
  /** The vectors from before are kept for this long after the switch, for a rollback. */
  rollback: 24 * 60 * 60 * 1000,
  /** A look at the new model before anything is embedded. */
  probe: 30_000,
  /** After a failure that passes, as while the provider is away; a timer of the workflow says until when. */
  pause: 10 * 60 * 1000,
} as const;

/** Calls of embedding providers, which limit how often a key may be used. */
export const pacing = {
  /** A slot that is nearer than this is waited for within the activity, others by a timer of the workflow. */
  shortWait: 5_000,
  /** After a refusal nobody calls with that key: for as long as the provider asks, or longer each time. */
  pause: { initial: 1_000, backoffCoefficient: 2, maximum: 10 * 60 * 1000, askedAtMost: 24 * 60 * 60 * 1000 },
  /** A document that has waited for so long fails. */
  giveUpAfter: 3 * 24 * 60 * 60 * 1000,
} as const;

export const mail = {
  /** One try of handing a mail to the mail server. */
  attempt: 60_000,
  /** As for a turn; mails may wait a little longer. */
  heartbeat: 5_000,
  heartbeatEvery: 1_000,
  /** Opening a connection to the mail server, and its greeting. */
  connect: 10_000,
  /** The mail server says nothing for this long in the middle of a mail. */
  silence: 30_000,
  retry: { initialInterval: 1_000, backoffCoefficient: 2, maximumInterval: 300_000 },
  /** What is of use for no longer than this (a code) is tried more often: */
  urgent: 3_600_000,
  urgentRetry: { initialInterval: 1_000, backoffCoefficient: 2, maximumInterval: 20_000 },
  /** A mail without an expiry of its own is tried for this long. */
  giveUpAfter: 2 * 24 * 60 * 60 * 1000,
} as const;

export const lead = {
  /** A call waits this long for the workflow's answer; then it is 503, and repeated. */
  answer: 4_000,
  /** What a call has stored belongs to it for this long; then a repeated call may take it over. */
  hold: 6_000,
  /** Pause between two looks whether an earlier call with the same text has been answered. */
  holdPoll: 50,
  /** A call counts as repeated for this long. */
  repeatWithin: 600_000,
  /** Pause between two looks whether the session's workflow has been started. */
  startPoll: 50,
  /** A name server that does not answer within this is no reason to turn a visitor away. */
  mailServerLookup: 2_000,
} as const;

/** Recording an outcome never gives up: nothing that was accepted may end unrecorded. */
export const record = {
  attempt: 10_000,
  retry: { initialInterval: 100, backoffCoefficient: 2, maximumInterval: 10_000 },
} as const;

export const dispatch = {
  /** The API starts what it wrote; after this a worker's sweep does. */
  apiGrace: 5_000,
  /** A claimed dispatch goes back to the others after this. */
  lease: 10_000,
  sweepEvery: 1_000,
  batch: 100,
  retry: { initialInterval: 1_000, maximumInterval: 30_000 },
  /** Waiting for Temporal to take a workflow start. */
  start: 5_000,
} as const;

export const overdue = {
  sweepEvery: 5_000,
  /** How long after its deadline a running turn is asked about in Temporal. */
  turnGrace: 5_000,
  /** How long a document may show no progress before it is asked about in Temporal. */
  documentSilence: 60_000,
  /** How long after a mail's expiry its workflow is asked about in Temporal. */
  mailGrace: 60_000,
  /** The same after a lead session's end. */
  leadGrace: 60_000,
  /** The same for a crawl. */
  crawlSilence: 60_000,
  /** The same for a contact, between two attempts. */
  contactSilence: 60 * 60 * 1000 + 60_000,
  /** The same for a webhook's delivery, between two attempts or not. */
  webhookSilence: 5 * 60_000,
  /** The same for a rebuild, which may wait for a day. */
  rebuildSilence: 60_000,
  batch: 20,
} as const;

/** A worker finds out this soon that another worker's sticky queue is orphaned. */
export const stickyQueue = 1_000;
/** An API that was told to stop finishes the answers under way within this; then it closes their connections. */
export const apiDrain = 10_000;
/** Then, after this much more, it ends, whatever does not let go. */
export const apiForce = 8_000;
/** A worker that was told to stop finishes what it has begun within this. */
export const workerDrain = 15_000;
/** Then, after this much more, it ends with what is still under way: another worker takes that over. */
export const workerForce = 5_000;

export const live = {
  /** Notifications can be lost: readers look again this often. */
  poll: 1_000,
  /** Frames are kept this long after they were written. */
  retention: 10 * 60 * 1000,
  /** How often those that are older are removed. */
  sweepEvery: 60_000,
  /** A stream with nothing to say shows this often that it lives; proxies close silent connections. */
  keepAlive: 15_000,
  /** A client that has taken nothing for this long is gone. */
  stalled: 60_000,
  /** A reader keeps its connection through an outage of PostgreSQL this long; then its client comes back. */
  outage: 30_000,
  /** A socket without a key sends one within this. */
  socketHello: 10_000,
  /** Between two events for clients that parse one in each chunk from the network: closer ones would merge. */
  eventGap: 12,
} as const;

/** POST /chat waits for its turn as long as a turn may last, and a little for recording it. */
export const chatWait = turn.deadline + 15_000;

export const elasticsearch = {
  search: 5_000,
  write: 60_000,
  /** How long Elasticsearch holds a write while its shard is starting. */
  shardWait: 10_000,
} as const;

/** A crawl of a source. */
export const crawl = {
  /** A page, from the request to the end of its body. */
  page: 30_000,
  /** Reading one page in its thread; longer takes only a page that is made to harm. */
  read: 10_000,
  /** One try of the activity that visits pages begins no page after this... */
  batchTime: 30_000,
  /** ...and, with its last pages and what they wait for, ends within this. */
  visit: 5 * 60_000,
  heartbeat: 5_000,
  heartbeatEvery: 1_000,
  retry: { initialInterval: 500, backoffCoefficient: 2, maximumInterval: 30_000 },
  /** An outage of PostgreSQL, say, that lasts longer fails the crawl. */
  giveUpAfter: 24 * 60 * 60 * 1000,
  /** A page that fails for a passing reason is visited again after this; it doubles with every try. */
  pageRetry: 5_000,
  /** The pause when a server says 429 and not how long. */
  throttled: 60_000,
  /** The longest pause that a server can ask for. */
  throttledAtMost: 60 * 60 * 1000,
  /** The longest pause between two requests that robots.txt can ask for. */
  delayAtMost: 30_000,
  /** Pauses up to this long are waited for within the activity, longer ones by a timer of the workflow. */
  shortPause: 5_000,
} as const;

/** Calls to addresses that customers or pages chose. */
export const outbound = {
  connect: 5_000,
  /** A server that sends nothing for this long, before or within its answer, is left. */
  silence: 120_000,
} as const;

/** An answer that somebody wrote is asked for once its document is ready; the document is looked at this often. */
export const questions = {
  look: { initialInterval: 1_000, backoffCoefficient: 2, maximumInterval: 60_000 },
} as const;

/** Removing what projects do not want to keep. */
export const retention = {
  /** One try; the next one goes on where it stopped. */
  attempt: 6 * 60 * 60 * 1000,
  heartbeat: 30_000,
  heartbeatEvery: 5_000,
  retry: { initialInterval: 1_000, backoffCoefficient: 2, maximumInterval: 10 * 60 * 1000 },
  deliveryDays: 30,
} as const;

export const webhooks = {
  /** One attempt, with recording it. */
  attempt: 30_000,
  /** A receiver that has not answered by then has not taken it. */
  answer: 15_000,
  retry: { initialInterval: 5_000, backoffCoefficient: 3, maximumInterval: 4 * 60 * 60 * 1000 },
  giveUpAfter: 3 * 24 * 60 * 60 * 1000,
} as const;

/** Leads as contacts in a CRM. */
export const crm = {
  /** One attempt, with recording it. */
  attempt: 30_000,
  /** One call, to the end of its answer; shorter than `ingestion.lateWrites`, so that an erasure comes after it. */
  answer: 10_000,
  retry: { initialInterval: 1_000, backoffCoefficient: 2, maximumInterval: 60 * 60 * 1000 },
  /** A CRM may be down for days. */
  giveUpAfter: 3 * 24 * 60 * 60 * 1000,
} as const;

/** A site's own login, to the end of its answer: a visitor waits. */
export const visitorLoginCall = 10_000;
/** What a token says of a visitor holds this long. */
export const visitorToken = 24 * 60 * 60 * 1000;

/** Reading an assistant that is imported, to the end of the answer. */
export const assistantImport = 30_000;

/** Opening a connection to PostgreSQL; a query then fails, and its caller decides. */
export const postgresConnect = 5_000;
/** The longest pause before a lost connection is opened again. */
export const postgresReconnect = 1_000;

/** Counts of calls. */
export const usage = {
  /** An API writes its counts this often, and when it stops. */
  writeEvery: 5_000,
} as const;

/** A server that does not answer /ready's question within this counts as down. */
export const probe = 2_000;

export const account = {
  /** An access token; after it the refresh token is exchanged for a new one. */
  accessToken: 15 * 60 * 1000,
  /** A session that is not refreshed for this long ends. */
  refreshToken: 30 * 24 * 60 * 60 * 1000,
  /** A six-digit code. */
  code: 10 * 60 * 1000,
  /** Between two mails to the same address. */
  codePause: 60_000,
  invitation: 7 * 24 * 60 * 60 * 1000,
  /** After too many wrong passwords: the first pause, which doubles, and the longest. */
  lockout: { initial: 30_000, maximum: 15 * 60 * 1000 },
  /** Failures are forgotten this long after the last. */
  failureMemory: 24 * 60 * 60 * 1000,
  /** A network counts as the owner's this long after a sign-in from it. */
  knownNetwork: 90 * 24 * 60 * 60 * 1000,
} as const;

/** A visitor's session of a client that keeps one ends this long after its last question. */
export const visitorSession = 30 * 24 * 60 * 60 * 1000;

/** A key's "last used" is this exact: it is not written down for every call. */
export const keyUse = 60_000;
