// Entry `@mte-relay/protocol/node`: the only part of this package that may use node: modules.
export { nodeSuite, xwingKeyPairFromSeed } from './crypto/node.ts';
