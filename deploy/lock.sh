#!/bin/sh
# Resolves requirements/*.in to hash-locked files that plain pip installs.
set -eu
cd "$(dirname "$0")/../requirements"
uv_venv="${TMPDIR:-/tmp}/voiceengine-uv"
[ -x "$uv_venv/bin/uv" ] || { python3 -m venv "$uv_venv" && "$uv_venv/bin/pip" -q install uv==0.13.8; }
compile() {
    "$uv_venv/bin/uv" pip compile -q --universal --generate-hashes --python-version 3.11 \
        --no-header --no-annotate --no-emit-index-url --no-emit-find-links "$@"
}
compile gateway.in -o gateway.lock
compile dev.in -c gateway.lock -o dev.lock
compile conformance.in -o conformance.lock
for client in openai2 beta agents livekit; do
    compile "conformance-$client.in" -o "conformance-$client.lock"
done
compile conformance-pipecat.in --override pipecat-overrides.txt -o conformance-pipecat.lock
compile litellm.in -o litellm.lock
compile build.in -o build.lock
compile skills.in --override speech-overrides.txt -o skills.lock
compile speech.in --override speech-overrides.txt -c skills.lock -o speech.lock
compile plugins.in --no-deps -o plugins.lock
