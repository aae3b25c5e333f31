// The URL class for React Native, whose own does not resolve "..", does not escape and does not reject invalid URLs.
import { URL as StandardUrl } from 'whatwg-url-minimum';

export const URL: typeof globalThis.URL = StandardUrl as unknown as typeof globalThis.URL;
