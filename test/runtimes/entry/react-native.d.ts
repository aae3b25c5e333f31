// Parts of React Native that an app does not import; its package declares no types for them.
declare module 'react-native/Libraries/Core/setUpXHR';
declare module 'react-native/Libraries/EventEmitter/RCTDeviceEventEmitter' {
  const emitter: { emit(event: string, values: readonly unknown[]): void };
  // biome-ignore lint/style/noDefaultExport: it is theirs
  export default emitter;
}
