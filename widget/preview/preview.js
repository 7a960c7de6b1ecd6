// Shows the widget of a project as its pages will have it. What is chosen stands behind the address's `#`, which no
// server sees: the key is part of it.
const form = document.getElementById('form');
const status = document.getElementById('status');
const tag = document.getElementById('tag');
let widget;
let latest = 0;

const quoted = (text) => text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');

async function projectOf(apiKey) {
  const response = await fetch('/v1/widget/config', { headers: { 'x-api-key': apiKey }, cache: 'no-store' });
  const { config, message } = await response.json();
  if (!response.ok) throw new Error(message);
  return config;
}

async function show() {
  const mine = ++latest;
  const chosen = Object.fromEntries([...new FormData(form)].filter(([, value]) => value.trim() !== ''));
  history.replaceState(null, '', `#${new URLSearchParams(chosen)}`);
  const attributes = Object.entries(chosen).map(([name, value]) => ` data-${name}="${quoted(value)}"`);
  tag.textContent = `<script src="${location.origin}/widget.js"${attributes.join('')} defer></script>`;
  widget?.destroy();
  widget = undefined;
  const { 'api-key': apiKey, 'primary-color': color, ...others } = chosen;
  status.textContent = apiKey ? '' : 'Enter a key to see its project’s widget.';
  if (!apiKey) return;
  let found;
  try {
    found = await projectOf(apiKey);
  } catch (error) {
    if (mine === latest) status.textContent = error.message;
    return;
  }
  if (mine !== latest) return;
  status.textContent = `This is ${found.chatbotName || found.siteName || 'your assistant'}.`;
  // The widget keeps a project's settings for a day; here a change of them is to be seen.
  for (const name of Object.keys(localStorage)) {
    if (/^frontdesk:.*:settings$/.test(name)) localStorage.removeItem(name);
  }
  widget = window.Frontdesk.create({ apiKey, color, ...others });
  widget.on('ready', () => widget?.open());
  widget.on('error', ({ message }) => {
    status.textContent = message;
  });
}

for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
  const field = form.elements.namedItem(name);
  if (field) field.value = value;
}
form.addEventListener('change', show);
form.addEventListener('submit', (event) => event.preventDefault());
addEventListener('load', show);
