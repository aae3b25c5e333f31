// Before the tests of the runtimes: what they run in.
import { installSidePackage } from '../../../scripts/side-packages.ts';

export function setup(): void {
  installSidePackage('test/runtimes');
  installSidePackage('examples/react-native'); // whose Metro makes the bundle for Hermes
}
