// The part of React Native's native code for XMLHttpRequest, with a relay in the engine where it would open a socket.
import type { MiniRelay } from '@mte-relay/testing/mini-relay';
import RCTDeviceEventEmitter from 'react-native/Libraries/EventEmitter/RCTDeviceEventEmitter';

declare global {
  /** Called by hermes-globals.js. */
  var sendNatively: (...request: NativeRequest) => void;
  var abortNatively: (id: number) => void;
  /** The engine's own. */
  function print(line: string): void;
}

/** As XMLHttpRequest of React Native hands it to native code. */
type NativeRequest = [method: string, url: string, id: number, headers: [string, string][], body: { base64?: string }];

/** From here on every XMLHttpRequest goes to this relay, whatever its host. @param files of the device, by their URI. */
export function connectTo(relay: Promise<MiniRelay>, files: ReadonlyMap<string, Uint8Array> = new Map()): void {
  const aborted = new Set<number>();
  globalThis.abortNatively = (id) => aborted.add(id);
  globalThis.sendNatively = (_method, url, id, _headers, { base64 = '' }) => {
    const file = files.get(url);
    if (file) return void setTimeout(() => deliver(id, url, 200, '', file));
    const body = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    emit('didSendNetworkData', id, body.length, body.length);
    relay
      .then((started) => started.respond(url.replace(/^\w+:\/\/[^/]+/, ''), body))
      .then(
        (response) => {
          if (!response || aborted.has(id)) return;
          // None of its APIs responds with a stream.
          deliver(id, url, response.status, response.headers['content-type'] ?? '', response.body as Uint8Array);
        },
        (error) => emit('didCompleteNetworkResponse', id, String(error), false),
      );
  };
}

function deliver(id: number, url: string, status: number, contentType: string, body: Uint8Array): void {
  let binary = '';
  for (const byte of body) binary += String.fromCharCode(byte);
  emit('didReceiveNetworkResponse', id, status, { 'Content-Type': contentType }, url);
  emit('didReceiveNetworkData', id, btoa(binary));
  emit('didCompleteNetworkResponse', id, null, false);
}

function emit(event: string, ...values: unknown[]): void {
  RCTDeviceEventEmitter.emit(event, values);
}
