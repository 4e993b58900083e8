#!/bin/sh
# Holds the gateway of docker-compose.yml to the contract: starts it in a project of its own,
# waits until every part is ready, makes a key, runs the suite, and removes it all again.
# Over TLS, since the official JavaScript SDK speaks nothing else.
#   deploy/compose/conformance.sh [ENV_FILE]      COMPOSE= another compose command
set -eu
cd "$(dirname "$0")/../.."
env_file=${1:-/dev/null}
export VOICEENGINE_PUBLISH_PORT="${VOICEENGINE_PUBLISH_PORT:-18000}" TLS=true
kept=$(mktemp -d)

compose() {
    # shellcheck disable=SC2086 -- COMPOSE is words
    ${COMPOSE:-docker compose} --project-name voiceengine-conformance --env-file "$env_file" "$@"
}
finish() {
    rm -rf "$kept"
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
compose exec -T gateway voiceengine keys create --name conformance > "$kept/key"
compose exec -T gateway cat /data/tls/authority.pem > "$kept/authority.pem"
var/venv/dev/bin/python -m conformance "https://127.0.0.1:$VOICEENGINE_PUBLISH_PORT/v1" \
    --key-file "$kept/key" --authority "$kept/authority.pem"
