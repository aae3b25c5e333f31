// Metro as Expo sets it up; the SDK is linked from this repository, so its root is watched too.
const { join } = require('node:path');
const { getDefaultConfig } = require('expo/metro-config');

const root = join(__dirname, '../..');
const config = getDefaultConfig(__dirname);

config.watchFolders = ['packages', 'node_modules', 'conformance', 'test'].map((name) => join(root, name));
config.resolver.nodeModulesPaths = [join(__dirname, 'node_modules'), join(root, 'node_modules')];

module.exports = config;
