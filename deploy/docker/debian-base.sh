#!/bin/bash
# A base image without a registry: Debian by debootstrap, with the Node and npm of this project.
#   npm exec -- deploy/docker/debian-base.sh IMAGE_NAME         as root; needs buildah and debootstrap
set -euo pipefail
name=$1
node=$(node -p process.execPath)
npm=$(dirname "$(dirname "$(realpath "${npm_execpath:-$(command -v npm)}")")")
folder=$(mktemp --directory)
container=
cleanup() {
  if [ -n "$container" ]; then buildah rm "$container" >&2; fi
  rm -rf "$folder"
}
trap cleanup EXIT

# libatomic1 is what this Node loads beyond Debian's smallest set.
debootstrap --variant=minbase --include=ca-certificates,libatomic1 bookworm "$folder/root" >&2
rm -rf "$folder"/root/var/cache/apt/* "$folder"/root/var/lib/apt/lists/*
install -D "$node" "$folder/root/usr/local/bin/node"
mkdir -p "$folder/root/usr/local/lib/node_modules"
cp -r "$npm" "$folder/root/usr/local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$folder/root/usr/local/bin/npm"
# Additional authorities that the host trusts, for npm behind a proxy with its own.
cp --dereference /etc/ssl/certs/ca-certificates.crt "$folder/root/etc/ssl/certs/ca-certificates.crt"

container=$(buildah from scratch)
buildah copy --quiet "$container" "$folder/root" / >&2
buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  --env NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt "$container"
buildah commit --quiet "$container" "$name"
