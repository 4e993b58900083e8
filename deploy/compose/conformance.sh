#!/bin/sh
# Holds the gateway of docker-compose.yml to the contract: starts it in a project of its own,
# waits until every part is ready, makes a key, runs the suite, and removes it all again.
#   deploy/compose/conformance.sh [ENV_FILE]      COMPOSE= another compose command
set -eu
cd "$(dirname "$0")/../.."
env_file=${1:-/dev/null}
port=${VOICEENGINE_PUBLISH_PORT:-18000}
export VOICEENGINE_PUBLISH_PORT="$port"
key=$(mktemp)

compose() {
    # shellcheck disable=SC2086 -- COMPOSE is words
    ${COMPOSE:-docker compose} --project-name voiceengine-conformance --env-file "$env_file" "$@"
}
finish() {
    rm -f "$key"
    compose down --volumes --timeout 40
}
trap finish EXIT

# shellcheck disable=SC2086 -- options are words
compose up --detach ${COMPOSE_UP_OPTIONS:---build}
left=180
until compose exec -T gateway voiceengine health --ready; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || { compose logs --tail 50; exit 2; }
    sleep 1
done
compose exec -T gateway voiceengine keys create --name conformance > "$key"
var/venv/dev/bin/python -m conformance "http://127.0.0.1:$port/v1" --key-file "$key"
