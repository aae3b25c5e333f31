// Subject: @fastify/http-proxy as its README sets it up, without crypto. PORT and UPSTREAM come by environment.
import httpProxy from '@fastify/http-proxy';
import fastify from 'fastify';

const server = fastify({ logger: false });
await server.register(httpProxy, { upstream: process.env['UPSTREAM'] ?? '' });
await server.listen({ host: '127.0.0.1', port: Number(process.env['PORT']) });
