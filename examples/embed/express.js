// The relay inside an Express app: before any body parser, since it reads the bodies of its own requests itself.
import { createRelay } from '@mte-relay/server';
import express from 'express';

const relay = createRelay();
const app = express();

app.use(relay.middleware);
app.use(express.json());
app.get('/', (_req, res) => res.send('my own page\n'));

const server = app.listen(Number(process.env.PORT ?? 8080), () => {
  console.log(`ready ${server.address().port} ${relay.pin}`);
});
process.once('SIGTERM', () => server.close(() => relay.close()));
