// Draws the second and third pane: captured bytes as hex and characters, plain requests as text.

const MESSAGE_HEADER_BYTES = 42; // version, type, session id, number, nonce: the only part of a message that is readable
const RESPONSE_NONCE_BYTES = 16;
const ROW_BYTES = 16;
const NARROW_ROW_BYTES = 8;
const HEADERS_SHOWN = /^(content-type|content-length|transfer-encoding|cookie|set-cookie|location|authorization)$/i;
const PLAIN_TYPES = /json|text|event-stream|xml|urlencoded/;

/** @param {HTMLElement} pane @param {import('./exchanges.js').Entry | undefined} entry */
export function drawWire(pane, entry) {
  const { wire, call } = entry ?? {};
  if (!wire) return draw(pane, [note(call?.done ? noWire(call) : 'Nothing captured yet.')]);
  const request = splitMessage(fromBase64(wire.request.captured));
  const response = splitMessage(fromBase64(wire.response.captured));
  const sealed = wire.path === '/api/mte';
  draw(pane, [
    block('Request', bytesText(wire.request.totalBytes), [
      headOf(request.startLine, request.headers),
      ...dumpOf(request.body, sealed && !request.chunked ? MESSAGE_HEADER_BYTES : 0, [
        'session id, number, nonce,',
        ' then ciphertext: method, path, headers, body',
      ]),
    ]),
    block(
      'Response',
      wire.done ? bytesText(wire.response.totalBytes) : `${bytesText(wire.response.totalBytes)}, open`,
      [
        headOf(response.startLine, response.headers),
        ...dumpOf(response.body, sealed && wire.status === 200 && !response.chunked ? RESPONSE_NONCE_BYTES : 0, [
          'nonce,',
          ' then ciphertext: the real status, headers, body',
        ]),
      ],
    ),
  ]);
}

/** @param {HTMLElement} pane @param {import('./exchanges.js').Entry | undefined} entry */
export function drawBackend(pane, entry) {
  const { seen, wire, call } = entry ?? {};
  if (!seen) {
    const text = !call && wire ? 'This exchange was between SDK and relay alone.' : noBackend(call);
    return draw(pane, [note(text)]);
  }
  draw(pane, [
    block('Request', bodyText(seen.body), [
      headOf(`${seen.method} ${seen.path} HTTP/1.1`, seen.headers),
      ...previewOf(seen.body, seen.headers),
    ]),
    block('Response', bodyText(seen.responseBody), [
      headOf(seen.status ? `HTTP/1.1 ${seen.status}` : '…', seen.responseHeaders),
      ...previewOf(seen.responseBody, seen.responseHeaders),
    ]),
  ]);
}

/** Where `needle` stands in the captured bytes of these exchanges, and how many bytes were searched. */
export function findOnWire(exchanges, needle) {
  let searchedBytes = 0;
  let found;
  for (const wire of exchanges) {
    for (const side of ['request', 'response']) {
      const text = atob(wire[side].captured);
      searchedBytes += text.length;
      if (!found && text.includes(new TextEncoder().encode(needle).reduce((s, b) => s + String.fromCharCode(b), ''))) {
        found = `${side} of ${wire.method} ${wire.path}`;
      }
    }
  }
  return { searchedBytes, found };
}

function noWire(call) {
  return call.error ? 'Nothing was sent: the call ended before an exchange.' : 'This call did not pass as an exchange.';
}

function noBackend(call) {
  return call?.done ? 'Nothing arrived here.' : 'Nothing has arrived yet.';
}

function splitMessage(bytes) {
  const text = String.fromCharCode(...bytes);
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return { startLine: text, headers: [], body: bytes.subarray(bytes.length), chunked: false };
  const [startLine, ...lines] = text.slice(0, end).split('\r\n');
  const headers = lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]);
  const chunked = headers.some(([name]) => name.toLowerCase() === 'transfer-encoding');
  return { startLine, headers, body: bytes.subarray(end + 4), chunked };
}

function headOf(startLine, headers) {
  const lines = (list) => list.flatMap(([name, value]) => [element('span', 'name', `${name}: `), `${value}\n`]);
  const shown = headers.filter(([name]) => HEADERS_SHOWN.test(name));
  const rest = headers.filter(([name]) => !HEADERS_SHOWN.test(name));
  const head = element('div', 'head', element('span', 'start', `${startLine}\n`), ...lines(shown));
  if (rest.length === 0) return head;
  const summary = element('summary', '', `${rest.length} more header fields`);
  return element('div', '', head, element('details', '', summary, element('div', 'head', ...lines(rest))));
}

function dumpOf(bytes, headerBytes, [headerText, restText]) {
  if (bytes.length === 0) return [];
  const legend = headerBytes > 0 ? [element('div', 'legend', element('b', '', headerText), restText)] : [];
  return [...legend, element('div', 'dump', ...dumpRows(bytes, headerBytes))];
}

function dumpRows(bytes, headerBytes, rowBytes = ROW_BYTES) {
  const rows = [];
  for (let at = 0; at < bytes.length; at += rowBytes) {
    const row = bytes.subarray(at, at + rowBytes);
    const split = Math.max(0, Math.min(row.length, headerBytes - at));
    const [header, rest] = [row.subarray(0, split), row.subarray(split)];
    const padding = '   '.repeat(rowBytes - row.length);
    rows.push(
      element('span', 'offset', `${at.toString(16).padStart(4, '0')}  `),
      ...(split > 0 ? [element('span', 'header', hex(header))] : []),
      `${hex(rest)}${padding} `,
      element('span', 'ascii', ...(split > 0 ? [element('span', 'header', ascii(header))] : []), `${ascii(rest)}\n`),
    );
  }
  return rows;
}

function previewOf({ preview, totalBytes }, headers) {
  const bytes = fromBase64(preview);
  if (bytes.length === 0) return [];
  const type = headers.find(([name]) => name.toLowerCase() === 'content-type')?.[1] ?? '';
  const cut = totalBytes > bytes.length ? [element('p', '', `the first ${bytes.length} bytes are shown`)] : [];
  if (!PLAIN_TYPES.test(type)) return [element('div', 'dump', ...dumpRows(bytes, 0, NARROW_ROW_BYTES)), ...cut];
  return [element('div', 'text', pretty(new TextDecoder().decode(bytes))), ...cut];
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function block(title, size, content) {
  const heading = element('h3', '', title, element('small', '', size));
  return element('article', '', heading, element('div', 'scroll', ...content));
}

function note(text) {
  return element('article', '', element('div', 'scroll', element('p', '', text)));
}

/** Replaces the pane's content; an opened "more header fields" and the scroll position stay as they were. */
function draw(pane, articles) {
  const opened = [...pane.querySelectorAll('details')].map((details) => details.open);
  const scrolled = [...pane.querySelectorAll('.scroll')].map((scroll) => scroll.scrollTop);
  pane.replaceChildren(...articles);
  for (const [i, details] of pane.querySelectorAll('details').entries()) details.open = opened[i] ?? false;
  for (const [i, scroll] of pane.querySelectorAll('.scroll').entries()) scroll.scrollTop = scrolled[i] ?? 0;
}

export function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

function hex(bytes) {
  return Array.from(bytes, (byte) => `${byte.toString(16).padStart(2, '0')} `).join('');
}

function ascii(bytes) {
  return Array.from(bytes, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·')).join('');
}

function bytesText(count) {
  return `${count.toLocaleString('en')} bytes`;
}

function bodyText({ totalBytes }) {
  return totalBytes > 0 ? `body of ${bytesText(totalBytes)}` : 'no body';
}
