// Before the tests of the runtimes: what they run in.
import { installSidePackage } from '../../../scripts/side-packages.ts';

export function setup(): void {
  installSidePackage('test/runtimes');
}
