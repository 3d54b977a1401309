#!/usr/bin/env bash
# Tries both images on this machine without a container engine: `docker/build.sh try` calls it.
#
#   docker/try.sh CODE_LOCATION_IMAGE TRAINER_IMAGE
#
# One home stands for the shared volume. The code location makes blocks and base and writes the
# job; the trainer, which has no Dagster, trains; the code location registers what came of it.
set -euo pipefail

readonly CODE_IMAGE=$1 TRAINER_IMAGE=$2
readonly ASSETS=arxiv_snapshot,snapshot_papers,base_model,arxiv_updates,astro_ph_papers,general_papers
readonly CORPUS=near_copies,token_blocks
readonly USER_ID=10001:10001

home=$(mktemp -d)
code=""
trainer=""

clean_up() {
  for container in "$code" "$trainer"; do
    if [ -n "$container" ]; then buildah rm "$container" >/dev/null || true; fi
  done
  rm -rf "$home"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

fail() {
  echo "docker/try.sh: $*" >&2
  exit 1
}

# As the engine would: the image's environment, its user, the home where the volume is.
inside() { # container, flags of `buildah run`, --, command
  local container=$1
  shift
  nice -n 10 buildah run --isolation chroot --user "$USER_ID" \
    --volume "$home:/var/lib/astro" "$container" "$@"
}

in_code_location() {
  inside "$code" -- env ASTRO_TRAINER=elsewhere ASTRO_SNAPSHOT=synthetic:4000 \
    ASTRO_SCHEDULES=off astro-assets "$@"
}

in_trainer() {
  inside "$trainer" -- env OMP_NUM_THREADS="$(nproc)" python -m astro_assets.training "$@"
}

code=$(buildah from "$CODE_IMAGE")
trainer=$(buildah from "$TRAINER_IMAGE")
chown "$USER_ID" "$home"

echo "== --help"
in_code_location --help >/dev/null
in_trainer --help >/dev/null
inside "$trainer" -- python -c '
import importlib.util as found
for name in ("dagster", "mlflow", "duckdb", "polars", "pyarrow", "matplotlib", "sqlalchemy"):
    assert found.find_spec(name) is None, f"{name} is in the lean image"'

echo "== code location: blocks, base and the job"
in_code_location run --select "$ASSETS,$CORPUS"
# It cannot train and says so; that is no success.
if in_code_location run --select lora_checkpoint; then
  fail "lora_checkpoint was made without the trainer."
fi
job=$(cd "$home" && find trainings -name job.json)
[ "$(echo "$job" | wc -w)" = 1 ] || fail "expected one job in trainings/, found: ${job:-none}"

echo "== trainer: $job"
in_trainer --job "/var/lib/astro/$job"
[ -f "$home/$(dirname "$job")/result/adapter_model.safetensors" ] || fail "no adapter was made."

echo "== code location: registers it"
in_code_location run --select lora_checkpoint
in_code_location models list | tee "$home/models.txt"
grep -q candidate "$home/models.txt" || fail "no candidate is registered."
echo "== both images work together"
