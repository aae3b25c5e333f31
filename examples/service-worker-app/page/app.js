// The app: it calls its API by fetch, axios, XMLHttpRequest, EventSource, an image, a frame, a link and plain forms, and
// knows nothing of a relay.
/* global axios */
const $ = (selector) => document.querySelector(selector);
const api = axios.create({ baseURL: '/api/v1' });

on('#login', 'submit', async (form) => {
  const response = await fetch('/api/v1/login', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(Object.fromEntries(form)),
  });
  if (!response.ok) throw new Error('wrong user or password');
  const { user } = await response.json();
  $('#user').textContent = `signed in as ${user}`;
  await showNotes();
  showWeir();
});

on('#add', 'submit', async (form) => {
  await api.post('/notes', { text: form.get('text') });
  $('#add').reset();
  await showNotes();
});

on('#search', 'input', () => {
  const request = new XMLHttpRequest();
  request.open('GET', `/api/v1/search?q=${encodeURIComponent($('#search').value)}`);
  request.responseType = 'json';
  request.onload = () => fill('#found', request.response, ({ text }) => text);
  request.onerror = () => report(new Error('the search failed'));
  request.send();
});

on('#upload', 'submit', (form) => {
  const request = new XMLHttpRequest();
  request.open('POST', '/api/v1/files');
  request.responseType = 'json';
  request.upload.onprogress = ({ loaded, total }) => {
    $('#progress').value = loaded / total;
  };
  request.onload = () => {
    $('#progress').value = 1;
    fill('#files', request.response, ({ name, sizeBytes }) => `${name}, ${sizeBytes.toLocaleString('en')} bytes`);
  };
  request.onerror = () => report(new Error('the upload failed'));
  request.send(form);
});

async function showNotes() {
  const { data } = await api.get('/notes');
  fill('#notes', data, ({ text }) => text);
}

function showWeir() {
  $('#gauge').src = '/api/v1/gauge.svg';
  $('#report').src = '/api/v1/report';
  new EventSource('/api/v1/events').onmessage = ({ data }) => {
    $('#event').textContent = data;
  };
}

function fill(list, items, textOf) {
  const rows = items.map((item) => {
    const row = document.createElement('li');
    row.textContent = textOf(item);
    return row;
  });
  $(list).replaceChildren(...rows);
}

/** Runs the handler with the form's data; what it throws is shown. */
function on(selector, type, handler) {
  $(selector).addEventListener(type, async (event) => {
    if (type === 'submit') event.preventDefault();
    $('#problem').hidden = true;
    try {
      await handler(event.target instanceof HTMLFormElement ? new FormData(event.target) : undefined);
    } catch (error) {
      report(error);
    }
  });
}

function report(error) {
  $('#problem').textContent = error.message;
  $('#problem').hidden = false;
}
