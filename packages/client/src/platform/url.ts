// The client's URL class: the platform's own. The package's `imports` map replaces it by url-react-native.ts where the
// platform's does not conform to the standard.
export const URL: typeof globalThis.URL = globalThis.URL;
