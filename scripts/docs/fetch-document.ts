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
    'sealed; every type that fetch takes. Where a stream cannot be sent as it comes, it is gathered first',
  ],
  duplex: ['honoured', '`half` is needed beside a stream, as with fetch'],
  signal: ['honoured', 'ends the call before and during pairing, upload, waiting and reading, with its own reason'],
  redirect: [
    'honoured',
    '`follow` within the relay’s origin; to another one it fails, so that no field, cookie or body goes there. `error` fails. ' +
      '`manual` gives the 3xx response itself, readable, where browsers give an opaque one',
  ],
  credentials: [
    'honoured',
    'cookies ride the outer request as the platform has them; values of HttpOnly ones are sealed. In browsers one ' +
      'of a narrow `Path` comes back with the requests that its path covers, unless `COOKIE_SEALING=off`',
  ],
  mode: [
    'honoured',
    '`same-origin` fails for a relay of another origin, as with fetch; `no-cors` to another origin is refused by name',
  ],
  cache: [
    'honoured',
    'nothing is cached on this side; `no-store`, `reload` and `no-cache` send the fields that fetch sends, `default` and ' +
      '`force-cache` ask the API each time, `only-if-cached` is refused by name',
  ],
  keepalive: ['honoured', 'for the outer request; platforms bound its sealed body to 64 KiB. Pair before'],
  priority: ['honoured', 'for the outer request'],
  referrer: ['ignored', 'no Referer goes inside or outside'],
  referrerPolicy: ['ignored', 'always as `no-referrer`'],
  window: ['ignored', 'only null is possible, as with fetch'],
  onUploadProgress: ['honoured', 'the client’s own, see below'],
  onDownloadProgress: ['honoured', 'the client’s own, see below'],
  integrity: ['refused', 'the seal already protects the answer on its way'],
};

const INTRODUCTION = `# fetch, sealed

Generated from \`scripts/docs/fetch-document.ts\` by \`npm run docs\`; do not edit. \`client.fetch\` takes the platform's arguments and
gives the platform's \`Response\`. [conformance/fetch/cases.ts](../conformance/fetch/cases.ts) says as data what it does; each
runtime runs it, and so does the platform's own fetch.

## Options

An option is honoured, or changes nothing and is ignored, or is refused by name with \`option-unsupported\` before anything is
sent. Members that no fetch knows are ignored, as fetch ignores them.

`;

const REST = `
## What differs

- \`statusText\` is always empty, as over HTTP/2: no reason phrase is sealed, and none is made up.
- \`type\` is \`basic\` for a relay of the page's own origin, else \`cors\`; every field of the answer can be read.
- \`headers\` of an answer can be changed, and its \`body\` is no byte stream (\`getReader({ mode: 'byob' })\` throws).
- One content coding is undone, \`gzip\` or \`deflate\`; content in two, one inside the other, is handed out as it came.
- Answers of the relay itself, such as a 502, are ordinary responses with the field \`mte-relay-failure\`.
- \`onUploadProgress\` and \`onDownloadProgress\` are told \`{loadedBytes, totalBytes?}\`. Browsers show upload progress through
  XMLHttpRequest alone: the answer then comes whole, and \`credentials: 'omit'\` is told of the end only.
- A browser gathers a body beyond 64 KiB before it is sent, sealed, and beyond 16 MiB in a file of the origin's private file
  system, so that it does not lie in memory; without that file system it does.

## What a call costs

The first call of a page asks for the relay's key, pairs in one round trip, and is sent. A pinned key is taken from the
browser's cache however old it is, so later pages only pair; \`<link rel="preload" as="fetch" crossorigin
href="https://…/api/mte-relay">\` or an early \`client.pair()\` spares the first page the wait. Every later call is exactly one
HTTP request; a page of another origin adds one preflight per endpoint and two hours, and one more when it begins to send
cookies.
`;

/** The whole document. */
export function fetchDocument(): string {
  const rows = Object.entries(OPTIONS).map(([name, [fate, what]]) => [`\`${name}\``, fate, what]);
  const refused = REFUSED_OPTIONS.map((name) => `\`${name}\``).join(', ');
  rows.push([refused, 'refused', 'they say where or how one runtime is to send, or what is to be learned from it']);
  return INTRODUCTION + markdownTable(['Option', 'Fate', 'What happens'], rows) + REST;
}
