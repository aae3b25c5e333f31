// The container's health check, in Node since the image has no shell: exits with 0 when the relay is alive.
// Alive, not ready: an engine restarts an unhealthy container, which helps neither an unreachable Redis nor a drain.
const port = process.env['ADMIN_PORT'] || 'auto';
const timeoutMs = 3_000;

if (port !== 'off') {
  const url = `http://127.0.0.1:${port === 'auto' ? 9090 : port}/livez`;
  const alive = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) }).then(
    ({ ok }) => ok,
    () => false,
  );
  process.exitCode = alive ? 0 : 1;
}
