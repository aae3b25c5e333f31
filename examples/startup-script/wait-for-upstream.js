// A startup script: run before the relay listens. It waits until the upstream responds, so that an orchestrator never
// sees a relay without an upstream; when it throws, the relay ends with 1.
//   mte-relay-server start --startup ./wait-for-upstream.js

const TRIES = 20;
const PAUSE_MS = 250;

// biome-ignore lint/style/noDefaultExport: the relay calls a module's default export
export default async function waitForUpstream({ settings, log }) {
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    try {
      await fetch(settings.UPSTREAM, { method: 'HEAD', signal: AbortSignal.timeout(2_000) });
      log.info({ upstream: settings.UPSTREAM, attempt }, 'the upstream responds');
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
  throw new Error(`no response from ${settings.UPSTREAM} in ${TRIES} tries`);
}
