// Where the packages of the runtimes are.
import { join } from 'node:path';

export const INSTALLED = join(import.meta.dirname, '../node_modules');
