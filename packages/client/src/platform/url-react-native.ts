// The URL class in React Native, whose own neither resolves "..", nor escapes, nor refuses what is no URL.
import { URL as StandardUrl } from 'whatwg-url-minimum';

export const URL: typeof globalThis.URL = StandardUrl as unknown as typeof globalThis.URL;
