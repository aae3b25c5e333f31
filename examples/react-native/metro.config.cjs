// Metro as React Native sets it up; the SDK is linked from this repository, so its root is watched too.
const { join } = require('node:path');
const { getDefaultConfig, mergeConfig } = require('@react-native/metro-config');

const root = join(__dirname, '../..');

module.exports = mergeConfig(getDefaultConfig(__dirname), {
  watchFolders: [join(root, 'packages'), join(root, 'node_modules'), join(root, 'conformance'), join(root, 'test')],
  resolver: { nodeModulesPaths: [join(__dirname, 'node_modules'), join(root, 'node_modules')] },
});
