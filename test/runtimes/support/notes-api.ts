// The API of the quick starts that run without sockets: one note, as it was posted.
import { utf8 } from '../../../conformance/run/case.ts';
import type { InnerApi } from '../../../conformance/run/relay.ts';

export const notesApi: InnerApi = ({ method, path, headers }, content) => {
  const isNew = method === 'POST' && path === '/notes' && new Map(headers).get('content-type') === 'application/json';
  const text = isNew ? (JSON.parse(String.fromCharCode(...content)) as { text: string }).text : 'hello';
  return {
    status: isNew ? 201 : path === '/notes/1' ? 200 : 404,
    headers: [['content-type', 'application/json']],
    body: utf8(JSON.stringify({ id: 1, text })),
  };
};
