// What an answer looks like. Text nodes only: nothing in an answer or a document can become markup.

const STILL_WORKING_AFTER_MS = 4000;

export function element(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children.filter((child) => child !== undefined));
  return node;
}

export function externalLink(text, href) {
  const link = element('a', '', text);
  Object.assign(link, { href, target: '_blank', rel: 'noopener' });
  return link;
}

/** The headings above a quote without the document's title, which is shown beside them. */
function headingBelow(title, heading = '') {
  return heading
    .split(' › ')
    .filter((part) => part && part !== title)
    .join(' › ');
}

function sourceItem({ title, heading, quote }, index) {
  const name = element('span', '', title ?? 'Document');
  const below = headingBelow(title, heading);
  if (below) name.append(element('span', 'source-heading', ` · ${below}`));
  const summary = element('summary', '', element('span', 'source-number', String(index + 1)), name);
  return element('li', '', element('details', 'source', summary, element('blockquote', '', quote ?? '')));
}

function sourceList(sources) {
  const label = element('p', 'part-label', sources.length === 1 ? 'Source' : 'Sources');
  return element('div', '', label, element('ol', 'sources', ...sources.map(sourceItem)));
}

function closestList(closest) {
  const titles = [...new Set(closest.map(({ title }) => title))];
  const label = element('p', 'part-label', titles.length === 1 ? 'Closest article' : 'Closest articles');
  return element('div', '', label, element('ul', '', ...titles.map((title) => element('li', '', title))));
}

function history(workflowUrl) {
  return workflowUrl && element('p', 'history', externalLink('Workflow history', workflowUrl));
}

/** A turn that ended as it should: answered, declined or cancelled. */
export function finishedAnswer({ status, reply, sources, closest }, workflowUrl) {
  const text = element('p', 'answer-text', reply);
  if (status === 'answered') {
    const list = sources.length > 0 ? sourceList(sources) : undefined;
    return element('div', 'answer', text, list, history(workflowUrl));
  }
  const notice = element('div', 'notice', text, closest.length > 0 ? closestList(closest) : undefined);
  return element('div', 'answer', notice, history(workflowUrl));
}

export function failedAnswer(explanation, workflowUrl, onRetry) {
  const retry = element('button', 'retry', 'Try again');
  retry.type = 'button';
  retry.addEventListener('click', onRetry);
  const notice = element('div', 'notice failed', element('p', '', explanation), retry);
  return element('div', 'answer', notice, history(workflowUrl));
}

/** The answer while it streams: the text so far, and a word when nothing has come for a while. */
export function liveAnswer() {
  const text = element('p', 'answer-text');
  const waiting = element('p', 'waiting', 'Looking through the articles…');
  let accepted = false;
  let timer;
  const watch = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      waiting.textContent = accepted
        ? 'Still working. Your question is safe, and the answer will appear here.'
        : 'Still waiting for the server to take your question.';
      waiting.hidden = false;
    }, STILL_WORKING_AFTER_MS);
  };
  watch();
  return {
    node: element('div', 'answer streaming', text, waiting),
    accept() {
      accepted = true;
    },
    show(value) {
      text.textContent = value;
      waiting.hidden = value !== '';
      watch();
    },
    stop: () => clearTimeout(timer),
  };
}
