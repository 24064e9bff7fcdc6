#!/usr/bin/env bash
# Installs the real programs that the interop tests run against, each at its pinned version, into
# ${COUNTERSIGN_PEERS:-~/.cache/countersign/peers}/bin. Run again, it only looks. One that cannot be installed does not stop
# the others; the exit status tells.
#
#   scripts/peers.sh              all of them
#   scripts/peers.sh --only NAME  one: cosign, docker-registry, skopeo, gnupg, openssl, softhsm2, opensc, node22, node24
set -uo pipefail

cosign_version=v3.1.2
node22_version=22.23.3
node24_version=24.21.0

peers=${COUNTERSIGN_PEERS:-$HOME/.cache/countersign/peers}
failed=()

say() { printf 'peer %s: %s\n' "$1" "$2"; }
fail() {
  say "$1" "MISSING, $2" >&2
  failed+=("$1")
}

# cosign does not say in milliseconds which version it is, so a stamp beside it does.
cosign() {
  local stamp=$peers/cosign.version
  if [[ -x $peers/bin/cosign && ! -e $stamp ]] && "$peers/bin/cosign" version 2>&1 | grep -q "GitVersion: *$cosign_version\$"; then
    echo "$cosign_version" >"$stamp"
  fi
  if [[ -x $peers/bin/cosign && $(cat "$stamp" 2>/dev/null) == "$cosign_version" ]]; then
    say "cosign $cosign_version" present
    return
  fi
  if ! command -v go >/dev/null; then
    fail cosign "needs Go to be built: install Go 1.26"
    return
  fi
  say "cosign $cosign_version" "building, some minutes"
  rm -f "$stamp"
  if CGO_ENABLED=0 GOBIN=$peers/bin go install -trimpath "github.com/sigstore/cosign/v3/cmd/cosign@$cosign_version"; then
    echo "$cosign_version" >"$stamp"
    say "cosign $cosign_version" installed
  else
    fail cosign "go install failed"
  fi
}

# node_peer NAME VERSION: the bare program, from the npm package that holds it for this machine.
node_peer() {
  local name=$1 version=$2 folder=$peers/$1-$2 package arch
  if [[ -x $folder/bin/node && $peers/bin/$name -ef $folder/bin/node ]]; then
    say "$name $version" present
    return
  fi
  case "$(uname -m)" in
    x86_64) arch=x64 ;;
    aarch64) arch=arm64 ;;
    *)
      fail "$name" "no package for $(uname -m)"
      return
      ;;
  esac
  package=node-linux-$arch
  local work
  work=$(mktemp -d "$peers/.install-XXXXXX")
  if npm install --prefix "$work" --no-save --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error \
    "$package@$version" >/dev/null; then
    rm -rf "$folder"
    mv "$work/node_modules/$package" "$folder"
    ln -sfn "$folder/bin/node" "$peers/bin/$name"
    say "$name $version" installed
  else
    fail "$name" "npm could not install $package@$version"
  fi
  rm -rf "$work"
}

updated=false
# debian_peer PACKAGE PROGRAM
debian_peer() {
  local package=$1 program=$2
  if command -v "$program" >/dev/null; then
    say "$package" present
    return
  fi
  if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
    fail "$package" "install it with your system's package manager ($program must be on PATH)"
    return
  fi
  if [[ $updated == false ]]; then
    updated=true
    apt-get update -qq || say "$package" "apt-get update failed, trying with the old list" >&2
  fi
  # No start of services: the tests start what they need.
  if DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "$package" >/dev/null &&
    command -v "$program" >/dev/null; then
    say "$package" installed
  else
    fail "$package" "apt-get could not install it"
  fi
}

install_peer() {
  case "$1" in
    cosign) cosign ;;
    docker-registry) debian_peer docker-registry docker-registry ;;
    skopeo) debian_peer skopeo skopeo ;;
    gnupg) debian_peer gnupg gpg ;;
    openssl) debian_peer openssl openssl ;;
    softhsm2) debian_peer softhsm2 softhsm2-util ;;
    opensc) debian_peer opensc pkcs11-tool ;;
    node22) node_peer node22 "$node22_version" ;;
    node24) node_peer node24 "$node24_version" ;;
    *)
      echo "peers: no peer is called '$1'" >&2
      exit 2
      ;;
  esac
}

mkdir -p "$peers/bin"
case "${1:-}" in
  "") set -- docker-registry skopeo gnupg openssl softhsm2 opensc node22 node24 cosign ;;
  --only)
    if [[ $# != 2 ]]; then
      echo "peers: --only takes one name" >&2
      exit 2
    fi
    set -- "$2"
    ;;
  *)
    echo "usage: scripts/peers.sh [--only NAME]" >&2
    exit 2
    ;;
esac
for name in "$@"; do install_peer "$name"; done

if ((${#failed[@]})); then
  echo "peers: ${failed[*]} missing" >&2
  exit 1
fi
