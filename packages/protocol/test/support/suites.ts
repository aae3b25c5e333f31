// The three providers, under one name each, for tests that run over all of them.
import { nobleSuite } from '../../src/crypto/noble.ts';
import { nodeSuite } from '../../src/crypto/node.ts';
import { webcryptoSuite } from '../../src/crypto/webcrypto.ts';
import type { Suite } from '../../src/suite.ts';

export const node = nodeSuite();
export const noble = nobleSuite();
const webcrypto: Suite = webcryptoSuite();

export const suites: readonly Suite[] = [webcrypto, noble, node];
