// The shop's page: its buttons ask the widget, and the links lead to what happened behind it.
const temporalUi = document.querySelector('meta[name="frontdesk-temporal-ui"]').content.replace(/\/+$/, '');
const workflows = temporalUi && `${temporalUi}/workflows`;
const links = document.getElementById('links');

function link(text, href) {
  const anchor = document.createElement('a');
  Object.assign(anchor, { textContent: text, href, target: '_blank', rel: 'noopener' });
  const item = document.createElement('li');
  item.append(anchor);
  links.append(item);
  links.hidden = false;
  return anchor;
}

for (const button of document.querySelectorAll('.ask')) {
  button.addEventListener('click', () => window.Frontdesk.sendMessage(button.dataset.question));
}

if (workflows) {
  const last = link('What happened in Temporal', workflows);
  link('Temporal UI', temporalUi);
  // The widget's script is deferred too, and may come after this one.
  addEventListener('load', () =>
    window.Frontdesk.on('answer', ({ turnId }) => {
      if (turnId) last.href = `${workflows}/${encodeURIComponent(`turn/${turnId}`)}`;
      last.textContent = 'What happened in Temporal for the last answer';
    }),
  );
}
