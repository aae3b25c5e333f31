// The version of this package.
import { readFileSync } from 'node:fs';

export const PACKAGE: { readonly version: string } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), { encoding: 'utf8' }),
);
