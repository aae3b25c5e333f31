// The URL class that the client parses with: the platform's own. The package's `imports` map puts url-react-native.ts in
// its place where that one does not do what the standard says.
export const URL: typeof globalThis.URL = globalThis.URL;
