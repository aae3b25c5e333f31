// What the engine of React Native 0.88 and its native modules give and the bare engine on the command line does not. No
// more than that: no crypto.subtle, streams, structuredClone or TextDecoder. RANDOM_HEX is put in front by the test.
//
// TextEncoder, atob, btoa: Hermes itself has them since React Native 0.74; performance, queueMicrotask: the JSI runtime;
// crypto.getRandomValues: the package react-native-get-random-values, whose bytes come from the system, or with
// RANDOM_IS_NATIVE only the native module that this package asks; Blobs of text and
// FileReader: the modules of those names; the network: the module "Networking", here a function that hands a request to
// the relay in the engine (hermes.ts).
(() => {
  const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

  globalThis.btoa = (text) => {
    let encoded = '';
    for (let at = 0; at < text.length; at += 3) {
      const left = text.length - at;
      const bits =
        (text.charCodeAt(at) << 16) |
        ((left > 1 ? text.charCodeAt(at + 1) : 0) << 8) |
        (left > 2 ? text.charCodeAt(at + 2) : 0);
      encoded += ALPHABET[bits >> 18] + ALPHABET[(bits >> 12) & 63];
      encoded += (left > 1 ? ALPHABET[(bits >> 6) & 63] : '=') + (left > 2 ? ALPHABET[bits & 63] : '=');
    }
    return encoded;
  };

  globalThis.atob = (encoded) => {
    let text = '';
    let bits = 0;
    let held = 0;
    for (const character of encoded.replace(/=+$/, '')) {
      const value = ALPHABET.indexOf(character);
      if (value < 0) throw new Error('not base64');
      bits = (bits << 6) | value;
      held += 6;
      if (held >= 8) {
        held -= 8;
        text += String.fromCharCode((bits >> held) & 255);
      }
    }
    return text;
  };

  // No class: the engine's compiler on the command line knows none.
  globalThis.TextEncoder = function TextEncoder() {
    this.encode = (text) => {
      const bytes = [];
      encodeURIComponent(text).replace(/%(..)|[\s\S]/g, (one, digits) => {
        bytes.push(digits ? Number.parseInt(digits, 16) : one.charCodeAt(0));
        return '';
      });
      return new Uint8Array(bytes);
    };
  };

  let randomAt = 0;
  function getRandomValues(array) {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    for (let i = 0; i < bytes.length; i += 1, randomAt += 2) {
      if (randomAt >= globalThis.RANDOM_HEX.length) throw new Error('no random bytes left');
      bytes[i] = Number.parseInt(globalThis.RANDOM_HEX.slice(randomAt, randomAt + 2), 16);
    }
    return array;
  }
  if (!globalThis.RANDOM_IS_NATIVE) globalThis.crypto = { getRandomValues };
  globalThis.performance = { now: () => Date.now() };
  globalThis.queueMicrotask = (work) => void Promise.resolve().then(work);
  globalThis.console = {
    log: print,
    warn: () => undefined,
    error: print,
    info: print,
    debug: () => undefined,
    assert: () => undefined,
  };

  const blobs = {};
  const dataUrl = ({ blobId }) => Promise.resolve(`data:;base64,${btoa(unescape(encodeURIComponent(blobs[blobId])))}`);
  const modules = {
    BlobModule: {
      getConstants: () => ({ BLOB_URI_SCHEME: 'content', BLOB_URI_HOST: null }),
      addNetworkingHandler: () => undefined,
      createFromParts(parts, id) {
        blobs[id] = parts.map(({ data }) => data).join('');
      },
      release: () => undefined,
    },
    RNGetRandomValues: {
      getRandomBase64: (length) => btoa(String.fromCharCode(...getRandomValues(new Uint8Array(length)))),
    },
    FileReaderModule: { readAsDataURL: dataUrl },
    PlatformConstants: { getConstants: () => ({ reactNativeVersion: { major: 0, minor: 88, patch: 1 } }) },
    Networking: {
      sendRequest: (...request) => globalThis.sendNatively(...request),
      abortRequest: (id) => globalThis.abortNatively(id),
      clearCookies: () => undefined,
      addListener: () => undefined,
      removeListeners: () => undefined,
    },
  };
  globalThis.nativeModuleProxy = modules;
  globalThis.__turboModuleProxy = (name) => modules[name] ?? null;
})();
