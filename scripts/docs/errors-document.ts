// docs/errors.md, made from the tables of codes themselves; `npm run docs` writes it.

import { INNER_FAILURE, type InnerCode, OUTER_STATUS, type OuterCode } from '@mte-relay/protocol';
import { RELAY_CLIENT_ERRORS } from '../../packages/client/src/api/error-codes.ts';
import { INNER_TITLE, OUTER_TITLE } from '../../packages/server/src/failure/planes.ts';
import { markdownTable } from './markdown-table.ts';

const INTRODUCTION = `# Errors

Generated from the tables of codes by \`npm run docs\`; do not edit.

There are two planes. Before a message is authenticated, a refusal is outside the seal, and any intermediary can forge one: to
the client it is a fact about the transport, never a reason to send unsealed or to resend a request that could run twice.
Afterwards, the relay's own responses are sealed like those of the API.
`;

const CLIENT = `
## Errors of the client

A \`RelayClientError\` is a TypeError, as fetch throws. \`mayHaveRun\` is false only when it is certain that the API never saw
the request and never will. An aborted call rejects with the signal's own reason, and a call whose body stream fails with that
stream's error.

`;

const OUTER = `
## Refusals outside the seal

\`application/problem+json\` with this status and \`code\`; the client throws \`relay-refused\` with both after its last
retry. \`429\` and \`503\` carry \`retry-after\`.

`;

const INNER = `
## The relay's own sealed responses

Ordinary responses of fetch with this status, the field \`mte-relay-failure: <code>\`, and a problem body.

`;

/** The whole document. */
export function errorsDocument(): string {
  return [INTRODUCTION, CLIENT, clientTable(), OUTER, outerTable(), INNER, innerTable()].join('');
}

function clientTable(): string {
  const rows = Object.entries(RELAY_CLIENT_ERRORS).map(([code, { happened, mayHaveRun, todo }]) => [
    `\`${code}\``,
    happened,
    mayHaveRun,
    todo,
  ]);
  return markdownTable(['Code', 'What happened', 'May it have run', 'What to do'], rows);
}

function outerTable(): string {
  const rows = Object.entries(OUTER_STATUS).map(([code, status]) => {
    return [`\`${code}\``, `${status}`, OUTER_TITLE[code as OuterCode]];
  });
  return markdownTable(['Code', 'Status', 'Meaning'], rows);
}

function innerTable(): string {
  const rows = Object.entries(INNER_FAILURE).map(([code, { status, upstreamSaw }]) => {
    return [`\`${code}\``, `${status}`, upstreamSaw, INNER_TITLE[code as InnerCode]];
  });
  return markdownTable(['Code', 'Status', 'May the API have seen it', 'Meaning'], rows);
}
