// Before the tests of the runtimes: what they run in.
import { installSidePackages } from '../../../scripts/test/side-packages.ts';

export function setup(): void {
  installSidePackages();
}
