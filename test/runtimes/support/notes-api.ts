// The API of the quick starts that run without sockets: one note, as it was posted.
import type { Api } from '@mte-relay/testing/mini-relay';
import { utf8 } from '../../../conformance/run/case.ts';

export const notesApi: Api = ({ method, path, headers, content }) => {
  const isNew = method === 'POST' && path === '/notes' && new Map(headers).get('content-type') === 'application/json';
  const text = isNew ? (JSON.parse(String.fromCharCode(...content)) as { text: string }).text : 'hello';
  return {
    status: isNew ? 201 : path === '/notes/1' ? 200 : 404,
    headers: [['content-type', 'application/json']],
    content: utf8(JSON.stringify({ id: 1, text })),
  };
};
