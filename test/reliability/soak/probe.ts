// Loaded into the relay's process before the relay (`--import`): samples of that process over a port of its own. The relay
// itself runs unchanged.
import { createServer } from 'node:http';
import { takeSample } from './sample.ts';

/** Names the port, in the environment. */
const PORT_VARIABLE = 'SOAK_PROBE_PORT';

createServer(async (_req, res) => {
  res.setHeader('connection', 'close');
  res.end(JSON.stringify(await takeSample()));
})
  .listen(Number(process.env[PORT_VARIABLE]), '127.0.0.1')
  .unref();
