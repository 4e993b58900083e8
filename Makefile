# VoiceEngine. `make` alone lists the targets.
PYTHON ?= python3
DATA ?= var
# Tests run side by side, a file at a time: most wait for servers and for speech at its own pace.
WORKERS ?= 2
DEV := var/venv/dev/bin
GATEWAY := var/venv/gateway/bin
CONFORMANCE_OPTIONS := $(if $(AUTHORITY),--authority $(AUTHORITY)) $(if $(MODEL),--model $(MODEL))
CLIENTS := conformance conformance-openai2 conformance-agents conformance-livekit conformance-pipecat conformance-beta
RUN_OPTIONS := $(if $(filter 1,$(TLS)),--tls)

.DEFAULT_GOAL := help
.PHONY: help run test check format openapi reference migrate bench soak lock conformance conformance-compose compose-secrets container-check provision intent-cache clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: ## set everything up and serve (HOST=, PORT=, TLS=1)
	@$(PYTHON) deploy/bootstrap.py gateway speech
	@exec $(GATEWAY)/python -m gateway serve $(RUN_OPTIONS)

test: provision ## set everything up and pass the tests
	@$(PYTHON) deploy/bootstrap.py dev gateway speech plugins $(CLIENTS)
	@$(DEV)/python -m pytest -n $(WORKERS) --dist loadfile --durations 25 $(TESTS)

check: ## lint, types, architecture, drift
	@$(PYTHON) deploy/bootstrap.py dev
	$(DEV)/ruff check .
	$(DEV)/ruff format --check .
	$(DEV)/mypy
	$(DEV)/lint-imports --no-cache
	$(DEV)/python deploy/sizes.py
	$(DEV)/codespell
	$(DEV)/hadolint Dockerfile
	$(DEV)/python -m gateway.api.openapi --check
	$(DEV)/python -m deploy.configuration --check

format: ## format and fix what can be fixed
	$(DEV)/ruff check --fix .
	$(DEV)/ruff format .

openapi: ## write openapi/realtime.yaml anew
	$(DEV)/python -m gateway.api.openapi

reference: ## write docs/reference/configuration.md anew
	$(DEV)/python -m deploy.configuration

migrate: ## bring the database of the local run up to date
	@$(PYTHON) deploy/bootstrap.py gateway
	$(GATEWAY)/python -m gateway migrate up

conformance: ## hold URL= to the contract (KEY_FILE=, AUTHORITY=, MODEL=)
	@$(PYTHON) deploy/bootstrap.py dev $(CLIENTS)
	$(DEV)/python -m conformance $(URL) --key-file $(KEY_FILE) $(CONFORMANCE_OPTIONS)

conformance-compose: ## hold docker-compose.yml's gateway to the contract (ENV_FILE=)
	@$(PYTHON) deploy/bootstrap.py dev $(CLIENTS)
	sh deploy/compose/conformance.sh $(ENV_FILE)

compose-secrets: ## write passwords for the stores of deploy/compose/split.env
	@sh deploy/compose/secrets.sh

container-check: ## build the images and talk to them, without Docker (root; minutes)
	$(PYTHON) deploy/container_check.py

bench: ## measure; prints figures and how they were made
	@$(PYTHON) deploy/bootstrap.py dev gateway speech
	$(DEV)/python -m bench

soak: ## the long and heavy tests (an hour and a half)
	@$(PYTHON) deploy/bootstrap.py dev gateway speech llama $(CLIENTS)
	VOICEENGINE_SOAK=1 $(DEV)/python -m pytest -s -o faulthandler_timeout=14500 tests/soak tests/functional/test_voice.py

provision:
	@sh deploy/provision.sh

intent-cache: ## train the skills' intents anew and pack the shipped cache
	@$(PYTHON) deploy/bootstrap.py dev speech
	$(DEV)/python -m ovos_bridge.train_intents var/venv/speech/bin/python

lock: ## resolve requirements/*.in anew (needs the package index)
	sh deploy/lock.sh

clean: ## forget the local run and its environments
	rm -rf var
