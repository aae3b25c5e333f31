// Stands where the app's own script stood: has the service worker seal every call to /api/v1, then starts the app. The
// app is started then and not before, since calls of a page that no worker controls go out unsealed.
/* global mteRelay */
const { pin, app } = document.currentScript.dataset;

mteRelay
  .installRelayServiceWorker({ pins: [pin] }) // which the relay has put into its worker, too
  .then(() => {
    const script = document.createElement('script');
    script.src = app;
    script.onload = () => {
      document.documentElement.dataset.sealed = '';
    };
    document.head.append(script);
  })
  .catch((error) => {
    document.querySelector('#problem').textContent = error.message;
    document.querySelector('#problem').hidden = false;
  });
