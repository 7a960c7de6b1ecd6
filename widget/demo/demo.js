// The demo page: the conversation, what survives a reload of this tab, and the links for developers.
import { element, externalLink, failedAnswer, finishedAnswer, liveAnswer } from './answers.js';
import { ChatError, runTurn } from './turns.js';

const STORED = 'frontdesk-demo';

const byId = (id) => document.getElementById(id);
const log = byId('log');
const composer = byId('composer');
const question = byId('question');
const send = byId('send');
const announcer = byId('announcer');
const newConversation = byId('new-conversation');

/** A value that the server put into the page. */
const setting = (name) => document.querySelector(`meta[name="frontdesk-${name}"]`).content;

const key = setting('key');
/** Empty where the server knows no address. */
const temporalUi = setting('temporal-ui').replace(/\/+$/, '');
const workflows = temporalUi && `${temporalUi}/workflows`;

const workflowUrl = (turnId) =>
  workflows && turnId ? `${workflows}/${encodeURIComponent(`turn/${turnId}`)}` : undefined;

// ---- What survives a reload. Storage can be blocked; the chat works without it.

let saved = restore();

function restore() {
  try {
    const stored = JSON.parse(sessionStorage.getItem(STORED));
    if (Array.isArray(stored?.turns)) return stored;
  } catch {}
  return { conversationId: undefined, turns: [] };
}

function save() {
  try {
    sessionStorage.setItem(STORED, JSON.stringify(saved));
  } catch {}
}

// ---- The conversation

let busy = false;

function setBusy(value) {
  busy = value;
  // Read-only and not disabled, because a disabled field would lose the focus.
  question.readOnly = value;
  send.disabled = value;
  for (const button of document.querySelectorAll('.suggestion, .retry, #new-conversation')) {
    button.disabled = value;
  }
}

/** Follows the newest text only while the reader is at the end: whoever scrolled up is left alone. */
function keepInView(change) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  change();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

/** Not on touch screens, where the focus opens the keyboard over the answer. */
function focusQuestion() {
  if (matchMedia('(pointer: fine)').matches) question.focus({ preventScroll: true });
}

function addTurn(message, answer) {
  const turn = element('article', 'turn', element('p', 'question', message), answer);
  log.append(turn);
  newConversation.hidden = false;
  return turn;
}

function explain(error) {
  if (!(error instanceof ChatError)) return 'Something went wrong on this page.';
  if (error.status === 401 || error.status === 403)
    return `This page may not ask questions: ${error.message}`;
  return error.message;
}

async function outcomeOf(turn) {
  try {
    return await runTurn({ ...turn, key, conversationId: saved.conversationId });
  } catch (error) {
    if (error.status !== 404 || !saved.conversationId) throw error;
    // The server's data was reset since this tab's last question.
    saved.conversationId = undefined;
    return runTurn({ ...turn, key });
  }
}

async function submit(message) {
  if (busy) return;
  const live = liveAnswer();
  const turn = addTurn(message, live.node);
  log.scrollTop = log.scrollHeight;
  announcer.textContent = '';
  setBusy(true);
  focusQuestion();

  let turnId;
  let answer;
  try {
    const result = await outcomeOf({
      message,
      onStart: (ids) => {
        live.accept();
        turnId = ids.turnId;
        saved.conversationId = ids.conversationId ?? saved.conversationId;
        showLastWorkflow(turnId);
      },
      onText: (text) => keepInView(() => live.show(text)),
    });
    saved.turns.push({ message, result });
    answer = finishedAnswer(result, workflowUrl(result.turnId));
    announcer.textContent = result.reply;
  } catch (error) {
    answer = failedAnswer(explain(error), workflowUrl(turnId), () => {
      turn.remove();
      submit(message);
    });
    announcer.textContent = explain(error);
  }
  live.stop();
  save();
  setBusy(false);
  keepInView(() => live.node.replaceWith(answer));
}

function startOver() {
  saved = { conversationId: undefined, turns: [] };
  save();
  for (const turn of log.querySelectorAll('.turn')) turn.remove();
  newConversation.hidden = true;
  announcer.textContent = '';
  focusQuestion();
}

// ---- For developers

let lastWorkflow;

function showLastWorkflow(turnId) {
  if (lastWorkflow && turnId) lastWorkflow.href = workflowUrl(turnId);
}

function showBackstage() {
  const add = (text, href) => {
    if (!href) return undefined;
    const link = externalLink(text, href);
    byId('backstage-links').append(element('li', '', link));
    byId('backstage').hidden = false;
    return link;
  };
  lastWorkflow = add('What happened in Temporal?', workflows);
  add('Temporal UI', temporalUi);
}

composer.addEventListener('submit', (event) => {
  event.preventDefault();
  const message = question.value.trim();
  if (busy || !message) return;
  question.value = '';
  submit(message);
});

question.addEventListener('keydown', (event) => {
  // Enter also confirms a word in an input method; that one must not send.
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  composer.requestSubmit();
});

for (const button of document.querySelectorAll('.suggestion')) {
  button.addEventListener('click', () => submit(button.textContent));
}
newConversation.addEventListener('click', startOver);
log.addEventListener(
  'toggle',
  ({ target }) => target.open && target.scrollIntoView({ block: 'nearest' }),
  true, // A toggle event doesn't bubble.
);

showBackstage();
for (const { message, result } of saved.turns) {
  addTurn(message, finishedAnswer(result, workflowUrl(result.turnId)));
  showLastWorkflow(result.turnId);
}
if (saved.turns.length > 0) log.scrollTop = log.scrollHeight;
