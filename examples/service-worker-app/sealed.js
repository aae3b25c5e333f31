// The one change to the page: where it names its script, it names the relay's installer and seal.js, which starts the script.

const SCRIPT = '<script src="/app.js" defer></script>';
const INSTALLER = '/public/mte-relay-install.js';

/** The page as it is served behind a relay. */
export function sealedBy({ pin, integrity }, html) {
  return html.replace(
    SCRIPT,
    `<script src="${INSTALLER}" integrity="${integrity[INSTALLER]}" defer></script>
    <script src="/seal.js" data-pin="${pin}" data-app="/app.js" defer></script>`,
  );
}
