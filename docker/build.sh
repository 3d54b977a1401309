#!/usr/bin/env bash
# Builds both images without a Docker engine, and tries them; `make images` calls it, as root.
#
#   docker/build.sh [build] [try] [clean]      without words: build try
#
#   build   images localhost/astro-assets-code-location and -trainer; layers made before are re-used
#   try     --help of both, then the smoke training through both over one home (docker/try.sh)
#   clean   removes the images, the base made here, and the layers kept for the next build
#
# Environment:
#   BASE           the Python image to build on; empty: one made here of Debian packages
#   TORCH_LINKS    folder of wheels in which the CPU build of torch lies, for the code location;
#                  empty: that of pip's own PIP_FIND_LINKS, if it is one
#   TRAINER_TORCH  cpu: the trainer gets that torch too, a small image for trying; else CUDA
#   BUILDAH_FLAGS  more flags for `buildah bud`, say --build-arg PIP_EXTRA_INDEX_URL=…
#
# Every step can be repeated, and what was begun goes when the script ends, however it ends.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly SUITE=bookworm
readonly DEBIAN_BASE=localhost/astro-assets-base:$SUITE
readonly CODE_LOCATION=localhost/astro-assets-code-location
readonly TRAINER=localhost/astro-assets-trainer
VERSION=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
readonly VERSION
if [ -z "${TORCH_LINKS:-}" ] && [ -d "${PIP_FIND_LINKS:-}" ]; then TORCH_LINKS=$PIP_FIND_LINKS; fi

scratch=""
container=""

clean_up() {
  if [ -n "$container" ]; then buildah rm "$container" >/dev/null || true; fi
  if [ -n "$scratch" ]; then rm -rf "$scratch"; fi
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

fail() {
  echo "docker/build.sh: $*" >&2
  exit 2
}

# Nothing is installed from here: what is missing is named.
require() {
  [ "$(id -u)" = 0 ] || fail "must be run by root: images are made of files of many owners."
  local missing=()
  for tool in "$@"; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  [ ${#missing[@]} = 0 ] || fail "missing: ${missing[*]}. To do: apt-get install ${missing[*]}"
}

# Debian's own Python 3.11 stands in for the Python image where no registry can be reached.
make_base() {
  if buildah inspect --type image "$DEBIAN_BASE" >/dev/null 2>&1; then return; fi
  require debootstrap
  echo "== $DEBIAN_BASE"
  scratch=$(mktemp -d)
  debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv \
    "$SUITE" "$scratch/root" >"$scratch/log" 2>&1 || { tail -n 5 "$scratch/log" >&2; exit 1; }
  rm -rf "$scratch"/root/var/cache/apt/archives/*.deb "$scratch"/root/var/lib/apt/lists/*
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$scratch/root" / >/dev/null
  buildah commit --quiet "$container" "$DEBIAN_BASE" >/dev/null
  clean_up
  scratch="" container=""
}

build_one() { # name, Dockerfile, folder of wheels or nothing
  local name=$1 file=$2 links=$3 flags=()
  if [ -n "$links" ]; then
    [ -d "$links" ] || fail "TORCH_LINKS=$links is no folder."
    flags+=(--volume "$links:/wheels-given:ro" --build-arg PIP_FIND_LINKS=/wheels-given)
  fi
  # A machine with certificates of its own needs them while packages are fetched.
  if [ -d /etc/ssl/certs ]; then flags+=(--volume /etc/ssl/certs:/etc/ssl/certs:ro); fi
  echo "== $name:$VERSION"
  # shellcheck disable=SC2086 # several flags in one word
  nice -n 10 buildah bud --layers --format docker --isolation chroot --network host \
    --ulimit nofile=4096:4096 --ulimit nproc=8192:8192 \
    --build-arg "PYTHON_IMAGE=${BASE:-$DEBIAN_BASE}" "${flags[@]}" ${BUILDAH_FLAGS:-} \
    --tag "$name:$VERSION" --file "$file" .
}

build() {
  require buildah
  if [ -z "${BASE:-}" ]; then make_base; fi
  local trainer_links=""
  if [ "${TRAINER_TORCH:-cuda}" = cpu ]; then trainer_links=${TORCH_LINKS:-}; fi
  build_one "$TRAINER" docker/trainer.Dockerfile "$trainer_links"
  build_one "$CODE_LOCATION" docker/code-location.Dockerfile "${TORCH_LINKS:-}"
  buildah images | grep -E 'REPOSITORY|astro-assets'
}

# Both stages bear a label, and so do the layers that earlier builds left for later ones.
clean() {
  require buildah
  local left image gone
  while left=$(buildah images --all --quiet --filter label=astro-assets.stage) && [ -n "$left" ]; do
    gone=no
    # A layer goes once those above it are gone, often with them.
    for image in $left; do
      if buildah rmi "$image" >/dev/null 2>&1; then gone=yes; fi
    done
    [ $gone = yes ] || fail "images are in use: $left"
  done
  if buildah inspect --type image "$DEBIAN_BASE" >/dev/null 2>&1; then
    buildah rmi "$DEBIAN_BASE" >/dev/null
  fi
}

[ $# -gt 0 ] || set -- build try
for word in "$@"; do
  case $word in
    build) build ;;
    try) docker/try.sh "$CODE_LOCATION:$VERSION" "$TRAINER:$VERSION" ;;
    clean) clean ;;
    *) fail "knows build, try and clean, not '$word'." ;;
  esac
done
