// Asks over NDJSON and shows the raw lines and the text that they add up to.
const byId = (id) => document.getElementById(id);
const key = byId('page').dataset.apiKey;
const sessionId = `headless-${crypto.getRandomValues(new Uint32Array(2)).join('-')}`;

byId('form').addEventListener('submit', async (event) => {
  event.preventDefault();
  byId('answer').textContent = '';
  byId('lines').textContent = '';
  const response = await fetch('/v1/chat/stream', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-widget-api-key': key },
    body: JSON.stringify({ sessionId, message: byId('message').value }),
  });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    const lines = (rest + (value ?? '')).split('\n');
    rest = done ? '' : lines.pop();
    for (const line of lines.filter(Boolean)) {
      byId('lines').append(`${line}\n`);
      const { type, token, message, error } = JSON.parse(line);
      if (type === 'token') byId('answer').append(token);
      if (type === 'done') byId('answer').textContent = message;
      if (type === 'error') byId('answer').textContent = error;
    }
    if (done) return;
  }
});
