// Apollo Client with its HttpLink over the relay's fetch.
import { ApolloClient, gql, HttpLink, InMemoryCache, ServerError } from '@apollo/client';
import { expect, test } from 'vitest';
import { type Call, setUpApi } from './api.ts';

const NOTE = gql`
  query Note($id: ID!) {
    note(id: $id) {
      id
      text
    }
  }
`;

async function setUp(path: string): Promise<{ apollo: ApolloClient; seen: Call[] }> {
  const { url, client, seen } = await setUpApi();
  const link = new HttpLink({ uri: url + path, fetch: client.fetch as typeof fetch, headers: { 'x-own': '1' } });
  return { apollo: new ApolloClient({ link, cache: new InMemoryCache() }), seen };
}

test('queries, and serves the same query from its cache', async () => {
  const { apollo, seen } = await setUp('/graphql');
  const query = { query: NOTE, variables: { id: '1' } };
  expect((await apollo.query(query)).data).toEqual({ note: { __typename: 'Note', id: '1', text: 'sealed' } });
  expect((await apollo.query(query)).data).toEqual({ note: { __typename: 'Note', id: '1', text: 'sealed' } });
  expect(seen).toMatchObject([{ method: 'POST', url: '/graphql', type: 'application/json', own: '1' }]);
  expect(JSON.parse(seen[0]?.body ?? '')).toMatchObject({ operationName: 'Note', variables: { id: '1' } });
});

test('gives an error status as its own error', async () => {
  const { apollo } = await setUp('/status/500');
  const error = await apollo.query({ query: NOTE, variables: { id: '1' } }).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(ServerError);
  expect((error as ServerError).statusCode).toBe(500);
});

test('aborts by the signal of its context', async () => {
  const { apollo } = await setUp('/slow');
  const controller = new AbortController();
  const context = { fetchOptions: { signal: controller.signal } };
  const call = apollo.query({ query: NOTE, variables: { id: '1' }, context });
  setTimeout(() => controller.abort(new Error('the user left')), 100);
  await expect(call).rejects.toThrow('the user left');
});
