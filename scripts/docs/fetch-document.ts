// docs/fetch.md, made from the table of fetch's options below, which the compiler holds complete; `npm run docs` writes it.
import type { RelayRequestInit } from '@mte-relay/client';
import { REFUSED_OPTIONS } from '../../packages/client/src/call/request.ts';
import { markdownTable } from './markdown-table.ts';

type Fate = 'honoured' | 'ignored' | 'refused';
/** Options of the platform's RequestInit and the client's own; those of one runtime alone are refused, see REFUSED_OPTIONS. */
type Option = Exclude<keyof RelayRequestInit, (typeof REFUSED_OPTIONS)[number]>;

const OPTIONS: Readonly<Record<Option, readonly [Fate, string]>> = {
  method: ['honoured', 'sealed; as with fetch, CONNECT, TRACE and TRACK are refused'],
  headers: ['honoured', 'sealed; fields of one hop, such as `connection` and `host`, stay out'],
  body: [
    'honoured',
    'sealed; every type that fetch accepts. The client buffers a stream that the platform cannot send as a stream',
  ],
  duplex: ['honoured', '`half` is needed beside a stream, as with fetch'],
  signal: ['honoured', 'ends the call before and during pairing, upload, waiting and reading, with its own reason'],
  redirect: [
    'honoured',
    '`follow` within the relay’s origin; to another one it fails, so that it gets no field, cookie or body. `error` fails. ' +
      '`manual` returns the 3xx response itself, readable, where browsers return an opaque one',
  ],
  credentials: [
    'honoured',
    'in browsers and React Native the client keeps cookies and sends them inside the seal, with `include`, or with ' +
      '`same-origin` to a relay of the page’s own origin: [cookies.md](cookies.md). Elsewhere `cookie` and `set-cookie` ' +
      'are fields like any other',
  ],
  mode: [
    'honoured',
    '`same-origin` fails for a relay of another origin, as with fetch; the client refuses `no-cors` to another origin by name',
  ],
  cache: [
    'honoured',
    'the client does not cache; `no-store`, `reload` and `no-cache` send the fields that fetch sends, `default` and ' +
      '`force-cache` request the API each time; the client refuses `only-if-cached` by name',
  ],
  keepalive: ['honoured', 'for the outer request; platforms bound its sealed body to 64 KiB. Pair before'],
  priority: ['honoured', 'for the outer request'],
  referrer: ['ignored', 'the client sends no Referer, inside or outside'],
  referrerPolicy: ['ignored', 'always as `no-referrer`'],
  window: ['ignored', 'only null is possible, as with fetch'],
  onUploadProgress: ['honoured', 'the client’s own, see below'],
  onDownloadProgress: ['honoured', 'the client’s own, see below'],
  integrity: ['refused', 'the seal already protects the response in transit'],
};

const INTRODUCTION = `# fetch, sealed

Generated from \`scripts/docs/fetch-document.ts\` by \`npm run docs\`; do not edit. \`client.fetch\` takes the platform's arguments and
returns the platform's \`Response\`. [conformance/fetch/cases.ts](../conformance/fetch/cases.ts) has its behaviour as data; each
runtime runs these cases, also with the platform's own fetch.

## Options

The client honours an option, ignores it without an effect, or refuses it by name with \`option-unsupported\` before it sends
anything. It ignores unknown members, as fetch does.

`;

const REST = `
## What differs

- \`statusText\` is always empty, as over HTTP/2: a sealed response has no reason phrase.
- \`type\` is \`basic\` for a relay of the page's own origin, else \`cors\`; every field of the response can be read.
- \`headers\` of a response can be changed, and its \`body\` is not a byte stream (\`getReader({ mode: 'byob' })\` throws).
- The client decodes one content coding, \`gzip\` or \`deflate\`, and returns content with two codings undecoded.
- Responses of the relay itself, such as a 502, are ordinary responses with the field \`mte-relay-failure\`.
- \`onUploadProgress\` and \`onDownloadProgress\` get \`{loadedBytes, totalBytes?}\`. Browsers report upload progress through
  XMLHttpRequest alone: the response then arrives at once when complete, and with \`credentials: 'omit'\` only the end is
  reported. XMLHttpRequest follows redirects, so an intermediary can send an upload with progress, sealed as it is, to
  another origin that allows it. The client accepts no response from there. \`connect-src\` of the page's
  Content-Security-Policy keeps the bytes from going there.
- A response that is not read to its end holds a connection, as with \`fetch\`. The client releases it when the app has
  let go of it and the runtime has collected it; \`await response.body?.cancel()\` does so at once, \`close()\` for all.
- In a browser the client buffers a body beyond 64 KiB, sealed, before it sends it: beyond 16 MiB in a file of the origin's
  private file system, or in memory without that file system.

## What a call costs

On the first call of a page the client fetches the relay's key, pairs in one round trip, and sends the call. It takes a pinned
key from the browser's cache whatever its age, so later pages only pair; \`<link rel="preload" as="fetch" crossorigin
href="https://…/api/mte-relay">\` or an early \`client.pair()\` saves the first page the wait. Every later call is exactly one
HTTP request; a page of another origin adds one preflight per endpoint and two hours, and one more when it begins to send
cookies.
`;

/** The whole document. */
export function fetchDocument(): string {
  const rows = Object.entries(OPTIONS).map(([name, [fate, what]]) => [`\`${name}\``, fate, what]);
  const refused = REFUSED_OPTIONS.map((name) => `\`${name}\``).join(', ');
  rows.push([refused, 'refused', 'they control how one runtime sends a request, or what it reports of it']);
  return INTRODUCTION + markdownTable(['Option', 'Fate', 'What happens'], rows) + REST;
}
