// Before the tests of Expo: Hermes, and the packages of the example.
import { installSidePackage, installSidePackages } from '../../scripts/test/side-packages.ts';

export function setup(): void {
  installSidePackages();
  installSidePackage('examples/expo');
}
