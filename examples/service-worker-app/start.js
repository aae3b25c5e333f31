// Runs the app: `node examples/service-worker-app/start.js` behind a relay and sealed, with `--direct` without either.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createRelay } from '@mte-relay/server';
import { createApp } from './app.js';
import { sealedBy } from './sealed.js';

const PORT = Number(process.env.PORT ?? 8080);

if (process.argv.includes('--direct')) {
  const app = createApp();
  app.listen(PORT);
  await once(app, 'listening');
  console.log(`ready http://localhost:${app.address().port}`);
} else {
  let relay;
  const app = createApp((html) => sealedBy(relay, html));
  app.listen(0, '127.0.0.1');
  await once(app, 'listening');
  relay = createRelay({
    environment: {
      LOG_LEVEL: 'warning',
      CLIENT_ID_SECRET: randomBytes(32).toString('base64'), // a real relay keeps its own
      ...process.env,
      UPSTREAM: `http://127.0.0.1:${app.address().port}`,
      CORS_ORIGINS: `http://localhost:${PORT}`,
      // The parts of the page pass unsealed. The API does not: an unsealed request to it gets 404.
      PASS_THROUGH_ROUTES: '/,/thanks.html,/goodbye.html,/app.js,/seal.js,/axios.js,/style.css,/assets/*',
      MTE_ROUTES: '/api/v1/*',
      WORKER_ROUTES: '/api/v1/*', // the relay serves the worker that seals them
      SOLE_INSTANCE: 'true', // no other relay has this secret
      ADMIN_PORT: 'off',
    },
  });
  console.log(`ready http://localhost:${await relay.listen(PORT)}`);
}
