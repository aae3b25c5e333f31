// The demo page. Its first pane is an ordinary app that uses `relay.fetch`; the other two show what became of each call.
//
// Element ids that tests may rely on:
//   header     status (data-state: idle | paired | failed)  pin  timings
//   sign in    user  password  login  logout  login-result
//   notes      note-text  note-add  notes-refresh  notes (one <li> a note)  notes-result
//   files      file  file-sample  upload  upload-progress (value/max)  upload-result (data-sha256)
//              download  download-progress  download-result (data-same: true | false)
//   events     events-start  events-stop  events (newest <li> first, data-id)  events-count
//   attacks    try-unsealed  try-wrong-pin  restart-relay  try-result
//   panes      exchanges (one button each)  call  wire  wire-search  wire-search-result (data-found)  backend

import { setUpEvents } from './events.js';
import { Exchanges } from './exchanges.js';
import { say, setUpFiles } from './files.js';
import { createRelayClient } from './mte-relay-client.mjs';
import { drawBackend, drawWire, element, findOnWire } from './panes.js';

const EXCHANGES_SHOWN = 9;

const $ = (id) => document.getElementById(id);
const { pin, observer } = document.body.dataset;
const exchanges = new Exchanges(observer);
const relay = createRelayClient(location.origin, { pins: [pin] });

/** `relay.fetch`, noted for the panes. `finish` is called when the response's body has been read. */
async function call(method, path, init = {}) {
  const noted = exchanges.begin(method, path, codeOf(method, path, init));
  try {
    const response = await relay.fetch(path, { method, ...init });
    noted.headers(response);
    return { response, finish: noted.end };
  } catch (error) {
    if (!init.signal?.aborted) showSession('failed', error.message);
    await noted.end(error);
    throw error;
  }
}

/** The usual call: JSON or nothing up, JSON down; throws the problem that the API names. */
async function callJson(method, path, value) {
  const init = value && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
  const { response, finish } = await call(method, path, init);
  const content = await response.json();
  await finish();
  if (!response.ok) throw new Error(`${response.status}: ${content.detail ?? content.title ?? 'refused'}`);
  return content;
}

function codeOf(method, path, { body }) {
  if (method === 'GET') return `await relay.fetch('${path}')`;
  const bodyText = body === undefined ? '' : `, body: ${typeof body === 'string' ? '…' : 'file'}`;
  return `await relay.fetch('${path}', { method: '${method}'${bodyText} })`;
}

/** Runs `action` when the element is used; a failure is shown in `output`. */
function on(id, event, output, action) {
  $(id).addEventListener(event, async (happened) => {
    happened.preventDefault();
    await Promise.resolve()
      .then(action)
      .catch((error) => say($(output), error.message, false));
  });
}

// Sign in and notes

on('login-form', 'submit', 'login-result', async () => {
  const { user } = await callJson('POST', '/login', { user: $('user').value, password: $('password').value });
  say($('login-result'), `signed in as ${user}`, true);
  await listNotes();
});

on('logout', 'click', 'login-result', async () => {
  await callJson('POST', '/logout');
  say($('login-result'), 'signed out');
  $('notes').replaceChildren(element('li', 'empty', 'log in to read them'));
});

on('notes-refresh', 'click', 'notes-result', listNotes);

on('note-form', 'submit', 'notes-result', async () => {
  await callJson('POST', '/notes', { text: $('note-text').value });
  await listNotes();
});

async function listNotes() {
  const notes = await callJson('GET', '/notes');
  say($('notes-result'), '');
  $('notes').replaceChildren(...notes.map(({ text }) => element('li', '', text)));
  $('notes').scrollTop = $('notes').scrollHeight;
}

setUpFiles($, call);
setUpEvents($, call);

// Try to get around it

on('try-unsealed', 'click', 'try-result', async () => {
  const response = await fetch('/notes');
  const text = response.ok ? 'got an unsealed response' : `was refused by the relay with ${response.status}`;
  say($('try-result'), `fetch('/notes') without the SDK ${text}`, !response.ok);
});

on('try-wrong-pin', 'click', 'try-result', async () => {
  const stranger = createRelayClient(location.origin, { pins: [`sha256-${btoa('\0'.repeat(32))}`] });
  try {
    await stranger.fetch('/notes');
    say($('try-result'), 'the SDK talked to a relay that it does not know', false);
  } catch (error) {
    say($('try-result'), `the SDK refused to talk: ${error.code ?? error.message}`, true);
  } finally {
    await stranger.close();
    await exchanges.poll();
  }
});

on('restart-relay', 'click', 'try-result', async () => {
  say($('try-result'), 'restarting…');
  const response = await fetch(`${observer}/demo/restart-relay`, { method: 'POST' });
  if (!response.ok) throw new Error('the relay was not restarted');
  say($('try-result'), 'a new relay process without sessions: the next call pairs again by itself', true);
});

// The header and the other panes

let pairings = 0;
for (const event of ['pair', 'rekey']) {
  relay.on(event, () => {
    pairings += 1;
    const again = pairings > 1 ? `, pairing ${pairings}` : '';
    showSession('paired', `paired ${new Date().toLocaleTimeString()}${again}`);
  });
}

function showSession(state, text) {
  $('status').dataset.state = state;
  $('status').textContent = text;
}

function drawTimings(entry) {
  if (!entry?.call?.done) return;
  const parts = [`app ${ms(entry.call.totalMs)}`];
  if (entry.wire) parts.push(`wire ${ms(entry.wire.durationMs)}`);
  if (entry.seen) parts.push(`backend ${ms(entry.seen.durationMs)}`);
  $('timings').textContent = parts.join(' · ');
}

function drawCall({ call: shown } = {}) {
  if (!shown) return;
  const outcome = shown.error
    ? element('span', 'failed', shown.error.message)
    : element('b', '', shown.status ? `${shown.status} after ${ms(shown.headersMs)}` : '…');
  $('call').replaceChildren(`${shown.code}\n→ `, outcome);
}

function drawStrip(selected) {
  const shown = exchanges.entries.slice(-EXCHANGES_SHOWN).reverse();
  if (shown.length === 0) return;
  const items = shown.map((entry) => {
    const { call: made, wire } = entry;
    const status = (made ?? wire).status || (made?.error || wire?.done ? 'failed' : '…');
    const label = made ? `${made.method} ${made.path} ${status}` : `${wire.method} ${wire.path} ${status}`;
    const button = element('button', '', label);
    button.setAttribute('aria-pressed', String(entry.key === selected?.key));
    button.addEventListener('click', () => exchanges.select(entry.key));
    return element('li', made ? '' : 'aside', button);
  });
  $('exchanges').replaceChildren(...items);
}

function drawSearch() {
  const needle = $('wire-search').value;
  const output = $('wire-search-result');
  output.dataset.found = '';
  if (needle === '' || exchanges.wireExchanges.length === 0) return say(output, '');
  const { found, searchedBytes } = findOnWire(exchanges.wireExchanges, needle);
  output.dataset.found = String(Boolean(found));
  const searched = `any of the ${searchedBytes.toLocaleString('en')} bytes captured so far`;
  say(output, found ? `found in the ${found}` : `not found in ${searched}`, !found);
}

function drawAll() {
  const { selected } = exchanges;
  drawTimings(selected);
  drawCall(selected);
  drawStrip(selected);
  drawWire($('wire'), selected);
  drawBackend($('backend'), selected);
  drawSearch();
}

function ms(value) {
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`;
}

exchanges.addEventListener('change', drawAll);
$('wire-search').addEventListener('input', drawSearch);
await exchanges.poll();
drawAll();
