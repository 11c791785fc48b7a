#!/bin/bash
# Build both images, start them once, and look at what they are, on a Debian machine without a container engine.
#   sudo apt-get install buildah debootstrap && sudo packaging/build_without_docker.sh
# The base is made by debootstrap in place of debian:bookworm-slim, so this proves the steps of the Dockerfiles
# and not the official base. Behind a TLS proxy, CA_BUNDLE names a file with its certificate. Takes three minutes
# and 3 GB below TMPDIR, which are removed at the end; KEEP=1 keeps them.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
tool() { buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"; }
in_image() { tool run --isolation chroot "$@"; }
clean_up() {
  tool rm --all >/dev/null 2>&1 || true
  if [ -n "${KEEP:-}" ]; then echo "kept: $work"; else rm -rf "$work"; fi
}
trap clean_up EXIT

echo "== base"
debootstrap --variant=minbase bookworm "$work/base" >"$work/debootstrap.log"
rm -rf "$work"/base/var/cache/apt/archives/*.deb "$work"/base/var/lib/apt/lists/*
base=$(tool from scratch)
tool add --quiet "$base" "$work/base" /
tool commit --quiet --rm "$base" localhost/haihe-base >/dev/null

options=(--format docker --isolation chroot --layers=false --build-arg BASE=localhost/haihe-base)
if [ -n "${CA_BUNDLE:-}" ]; then
  printf '[global]\ncert = /ca-bundle.pem\n' >"$work/pip.conf"
  options+=(--volume "$CA_BUNDLE:/ca-bundle.pem:ro" --volume "$work/pip.conf:/etc/pip.conf:ro")
fi

for side in edge cloud; do
  echo "== $side"
  tool bud "${options[@]}" -f "Dockerfile.$side" -t "localhost/haihe-$side" . >"$work/$side.log" 2>&1 ||
    { tail -30 "$work/$side.log"; exit 1; }
  tool from --name "$side" "localhost/haihe-$side" >/dev/null
  [ "$(in_image "$side" -- id -u)" = 10001 ] && echo "runs as user 10001"
done
tool images

# A library of the other side, a compiler or pip in an image is a fault.
foreign() {
  in_image "$1" -- python3 -c "
import importlib.util, shutil, sys
found = [m for m in sys.argv[1:] if importlib.util.find_spec(m)] + [t for t in ('gcc', 'cc', 'pip') if shutil.which(t)]
sys.exit(f'found: {found}' if found else 0)" "${@:2}"
}
foreign edge fastapi starlette pydantic uvicorn influxdb_client prometheus_client haihe_cloud haihe_simulators pip
foreign cloud serial pynmea2 haihe_edge haihe_simulators pip
echo "neither image holds the other side's libraries, a compiler or pip"

echo "== start them once"
# The health check of an image, as a script that can be mounted into it.
health() {
  tool inspect "$1" | python3 -c "
import json, sys; print(json.load(sys.stdin)['Docker']['config']['Healthcheck']['Test'][1])" >"$work/health-$1"
}
health edge
health cloud
port=$(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')

cat >"$work/cloud.sh" <<SCRIPT
haihe-cloud init centre --lang en --http-port $port >/dev/null
haihe-cloud pki station 31005650 --pki centre/pki --out keys --lang en
export HAIHE_CLOUD_CONFIG=centre/haihe-cloud.yaml HAIHE_HEALTH_URL=http://127.0.0.1:$port/healthz
timeout --preserve-status 8 haihe-cloud run &
sleep 5
python3 - <<'PYTHON'
import os, urllib.error, urllib.request
try:
    answer = urllib.request.urlopen(os.environ["HAIHE_HEALTH_URL"])
except urllib.error.HTTPError as error:
    answer = error
print("/healthz answers", answer.status, answer.read().decode())
PYTHON
if sh /health 2>/dev/null; then exit 1; else echo "health check: unhealthy without a broker"; fi
wait %1 && echo "the centre stopped in order"
SCRIPT
in_image --volume "$work/cloud.sh:/start.sh:ro" --volume "$work/health-cloud:/health:ro" cloud -- sh /start.sh

cat >"$work/site.yaml" <<'SITE'
station: {code: "31005650", name: {zh: 三岔口, en: Sanchakou}, latitude: 39.1458, longitude: 117.1897}
buses: [{kind: tcp, name: cabinet, host: 127.0.0.1, port: 5020}]
instruments: [{name: solar, profile: epever-tracer, bus: cabinet, unit: 1, every: 1s}]
journal: {directory: /var/lib/haihe/journal, size: 16MiB}
SITE
cat >"$work/edge.sh" <<'SCRIPT'
set -e
haihe-edge check --lang en
timeout --preserve-status 8 haihe-edge run --lang en &
sleep 5
sh /health && echo "health check: healthy while the agent runs, though its instrument is silent"
wait %1
if sh /health; then exit 1; else echo "health check: unhealthy without the agent"; fi
SCRIPT
in_image --volume "$work/site.yaml:/etc/haihe/site.yaml:ro" --volume "$work/edge.sh:/start.sh:ro" \
  --volume "$work/health-edge:/health:ro" edge -- sh /start.sh
