// An API that takes its time, as APIs do: 1 KiB of JSON after THINK_MS, whatever it is asked. PORT and THINK_MS come from
// the environment.
import { createServer } from 'node:http';
import { CONTENT_TYPE, RESPONSE_BODY } from './workload.ts';

const thinkMs = Number(process.env['THINK_MS']);

const server = createServer((req, res) => {
  req.resume();
  setTimeout(() => {
    res.writeHead(200, { 'content-type': CONTENT_TYPE, 'content-length': RESPONSE_BODY.length });
    res.end(RESPONSE_BODY);
  }, thinkMs);
});
server.keepAliveTimeout = 3_600_000;
server.listen(Number(process.env['PORT']), '127.0.0.1', 4096);
