// A settings adapter: fetches secrets from a vault over HTTP when the relay starts.
//   VAULT_URL=https://vault.internal/v1/mte-relay mte-relay-server start --settings ./vault.js
// It is handed the settings of the environment and the file, and what it returns wins over both.

// biome-ignore lint/style/noDefaultExport: the relay calls a module's default export
export default async function settings(environment) {
  const { VAULT_URL, VAULT_TOKEN } = process.env;
  const response = await fetch(VAULT_URL, {
    headers: { authorization: `Bearer ${VAULT_TOKEN}` },
    signal: AbortSignal.timeout(10_000),
  });
  if (!response.ok) throw new Error(`the vault responded ${response.status}`);
  const secrets = await response.json();
  return {
    CLIENT_ID_SECRET: [secrets.next, secrets.present], // lists, numbers and mappings as in YAML
    HEADERS: { 'x-relay-of': new URL(environment.UPSTREAM).host },
  };
}
