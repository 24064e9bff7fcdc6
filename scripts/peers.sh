#!/usr/bin/env bash
# Installs the real programs that the interop tests run against, each at its pinned version, into
# ${COUNTERSIGN_PEERS:-~/.cache/countersign/peers}/bin. Run again, it only looks. One that cannot be installed does not stop
# the others; the exit status tells.
#
#   scripts/peers.sh              all of them
#   scripts/peers.sh --only NAME  one: cosign, notation, timestamp-server, act, gitlab-ci-local, docker-registry, skopeo, gnupg,
#                                 openssl, softhsm2, opensc, rsync, make, node22, node24, image-policy
set -uo pipefail

cosign_version=v3.1.2
notation_version=v1.3.2
timestamp_server_version=v2.1.3 # the newest that Go 1.26 builds
act_version=v0.2.89
gitlab_ci_local_version=4.75.1
containers_image_version=v5.39.4
node22_version=22.23.3
node24_version=24.21.0

peers=${COUNTERSIGN_PEERS:-$HOME/.cache/countersign/peers}
failed=()

say() { printf 'peer %s: %s\n' "$1" "$2"; }
fail() {
  say "$1" "MISSING, $2" >&2
  failed+=("$1")
}

# go_peer PROGRAM MODULE PACKAGE VERSION (PACKAGE: its folder in the module): built from source. Such a program cannot always say which version it is, so a stamp beside it does.
go_peer() {
  local program=$1 module=$2 package=$3 version=$4
  local stamp=$peers/$program.version work
  if [[ -x $peers/bin/$program && $(cat "$stamp" 2>/dev/null) == "$version" ]]; then
    say "$program $version" present
    return
  fi
  if ! command -v go >/dev/null; then
    fail "$program" "needs Go to be built: install Go 1.26"
    return
  fi
  say "$program $version" "building, some minutes"
  rm -f "$stamp"
  # As a module's requirement: `go install PACKAGE@VERSION` also asks for the list of all versions, which not every proxy has.
  work=$(mktemp -d "$peers/.build-XXXXXX")
  printf 'module peer\n\ngo 1.26.0\n\nrequire %s %s\n' "$module" "$version" >"$work/go.mod"
  if (cd "$work" && CGO_ENABLED=0 GOFLAGS=-mod=mod GOBIN=$peers/bin go install -trimpath "$module${package:+/$package}"); then
    echo "$version" >"$stamp"
    say "$program $version" installed
  else
    fail "$program" "go install failed"
  fi
  rm -rf "$work"
}

# containers/image itself, of podman and skopeo, newer than Debian's and with nothing patched out: a program of ours around its policies.
image_policy() {
  local version=$containers_image_version source stamp=$peers/image-policy.version work wanted
  source=$(cd "$(dirname "${BASH_SOURCE[0]}")/peers/image-policy" && pwd)
  wanted="$version $(cksum <"$source/main.go")"
  if [[ -x $peers/bin/image-policy && $(cat "$stamp" 2>/dev/null) == "$wanted" ]]; then
    say "image-policy $version" present
    return
  fi
  if ! command -v go >/dev/null; then
    fail image-policy "needs Go to be built: install Go 1.26"
    return
  fi
  say "image-policy $version" "building, a minute"
  rm -f "$stamp"
  work=$(mktemp -d "$peers/.build-XXXXXX")
  cp "$source/main.go" "$work/"
  printf 'module peer\n\ngo 1.26.0\n\nrequire go.podman.io/image/v5 %s\n' "$version" >"$work/go.mod"
  # Its own OpenPGP and no C: nothing of the machine's gpg takes part.
  if (cd "$work" && CGO_ENABLED=0 GOFLAGS=-mod=mod go build -trimpath \
    -tags 'containers_image_openpgp exclude_graphdriver_btrfs' -o "$peers/bin/image-policy" .); then
    echo "$wanted" >"$stamp"
    say "image-policy $version" installed
  else
    fail image-policy "go build failed"
  fi
  rm -rf "$work"
}

# gitlab-ci-local needs a newer Node.js than the tests' own: it is started by the peer node24.
gitlab_ci_local() {
  local version=$gitlab_ci_local_version folder=$peers/gitlab-ci-local-$gitlab_ci_local_version
  if [[ -f $folder/node_modules/gitlab-ci-local/package.json && -x $peers/bin/gitlab-ci-local ]] &&
    grep -qF "$folder" "$peers/bin/gitlab-ci-local"; then
    say "gitlab-ci-local $version" present
    return
  fi
  local work entry
  work=$(mktemp -d "$peers/.install-XXXXXX")
  if npm install --prefix "$work" --no-save --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error \
    "gitlab-ci-local@$version" >/dev/null; then
    rm -rf "$folder"
    mv "$work" "$folder"
    entry=$(node -p 'const {bin} = require(process.argv[1]); typeof bin === "string" ? bin : bin["gitlab-ci-local"]' \
      "$folder/node_modules/gitlab-ci-local/package.json")
    printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$peers/bin/node24" "$folder/node_modules/gitlab-ci-local/$entry" \
      >"$peers/bin/gitlab-ci-local"
    chmod +x "$peers/bin/gitlab-ci-local"
    say "gitlab-ci-local $version" installed
  else
    fail gitlab-ci-local "npm could not install it"
  fi
  rm -rf "$work"
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
    cosign) go_peer cosign github.com/sigstore/cosign/v3 cmd/cosign "$cosign_version" ;;
    notation) go_peer notation github.com/notaryproject/notation cmd/notation "$notation_version" ;;
    timestamp-server)
      go_peer timestamp-server github.com/sigstore/timestamp-authority/v2 cmd/timestamp-server "$timestamp_server_version"
      ;;
    act) go_peer act github.com/nektos/act "" "$act_version" ;;
    gitlab-ci-local) gitlab_ci_local ;;
    image-policy) image_policy ;;
    docker-registry) debian_peer docker-registry docker-registry ;;
    skopeo) debian_peer skopeo skopeo ;;
    gnupg) debian_peer gnupg gpg ;;
    openssl) debian_peer openssl openssl ;;
    softhsm2) debian_peer softhsm2 softhsm2-util ;;
    rsync) debian_peer rsync rsync ;;
    make) debian_peer make make ;;
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
  "") set -- docker-registry skopeo gnupg openssl softhsm2 opensc rsync make node22 node24 gitlab-ci-local \
    notation timestamp-server image-policy act cosign ;;
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
