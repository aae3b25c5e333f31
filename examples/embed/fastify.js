// The relay inside a Fastify app: a hook hands its requests over before Fastify reads a body.
import { createRelay } from '@mte-relay/server';
import fastify from 'fastify';

const relay = createRelay();
const app = fastify();

app.addHook('onRequest', async (request, reply) => {
  if (!relay.handles(request.raw)) return;
  reply.hijack();
  relay.handler(request.raw, reply.raw);
});
app.get('/', async () => 'my own page\n');

await app.listen({ port: Number(process.env.PORT ?? 8080) });
console.log(`ready ${app.server.address().port} ${relay.pin}`);
process.once('SIGTERM', () => app.close().then(() => relay.close()));
