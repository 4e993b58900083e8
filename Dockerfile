# VoiceEngine's images, one stage each: gateway, speech, ovos, allinone (the default).
# See docs/deploy/containers.md. Pin the base to what you tested with
#     --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:…
# where the digest is what your registry says of it (docker buildx imagetools inspect).
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# --- what every image starts from: the user, and folders that are his ---------------------------
FROM ${PYTHON_IMAGE} AS base
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONUTF8=1
# A fixed uid: volumes are shared between images and outlive them. Folders exist in the image so
# that an empty volume takes their owner over.
RUN groupadd --gid 10001 voiceengine \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin \
        voiceengine \
    && install -d -o voiceengine -g voiceengine -m 0700 /data /run/voiceengine
WORKDIR /app

# --- environments, each from its lock file with every hash checked ------------------------------
FROM base AS gateway-env
COPY requirements/gateway.lock requirements/
RUN python3 -m venv --without-pip /opt/gateway \
    && python3 -m pip --python /opt/gateway/bin/python install \
        --no-cache-dir --no-deps --require-hashes -r requirements/gateway.lock \
    && printf '#!/opt/gateway/bin/python\nimport sys\nfrom gateway.cli import main\nsys.exit(main())\n' \
        > /opt/gateway/bin/voiceengine \
    && chmod 0755 /opt/gateway/bin/voiceengine \
    && echo /app > "$(echo /opt/gateway/lib/python3.*/site-packages)/voiceengine.pth"

# Some packages come as source only. What builds them is locked, too, so that nothing is
# fetched that no lock names.
FROM base AS build
COPY requirements/build.lock requirements/
RUN python3 -m venv /opt/build \
    && /opt/build/bin/python -m pip install \
        --no-cache-dir --no-deps --require-hashes -r requirements/build.lock

FROM build AS speech-env
COPY requirements/speech.lock requirements/
RUN /opt/build/bin/python -m pip wheel --no-cache-dir --no-build-isolation \
        --no-deps --require-hashes --wheel-dir /wheels -r requirements/speech.lock \
    && python3 -m venv --without-pip /opt/speech \
    && python3 -m pip --python /opt/speech/bin/python install \
        --no-cache-dir --no-deps --no-index /wheels/*.whl
COPY ovos_bridge/plugins/install.py ovos_bridge/plugins/
RUN /opt/speech/bin/python ovos_bridge/plugins/install.py

# The intent engine's library is compiled here; the compiler stays here.
FROM build AS ovos-env
# Debian keeps one version per release: the base's tag or digest says which.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ libfann-dev swig \
    && rm -rf /var/lib/apt/lists/*
COPY requirements/skills.lock requirements/
RUN /opt/build/bin/python -m pip wheel --no-cache-dir --no-build-isolation \
        --no-deps --require-hashes --wheel-dir /wheels -r requirements/skills.lock \
    && python3 -m venv --without-pip /opt/speech \
    && python3 -m pip --python /opt/speech/bin/python install \
        --no-cache-dir --no-deps --no-index /wheels/*.whl
COPY ovos_bridge/plugins/install.py ovos_bridge/plugins/
RUN /opt/speech/bin/python ovos_bridge/plugins/install.py

# --- source, compiled once since the images' root is read-only ----------------------------------
FROM base AS source
COPY realtime realtime
COPY ovos_bridge ovos_bridge
COPY migrations migrations
COPY gateway gateway
RUN python3 -m compileall -q realtime ovos_bridge migrations gateway

# --- gateway: no package of OVOS, no model, no compiler -----------------------------------------
FROM base AS gateway
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="VoiceEngine gateway" \
      org.opencontainers.image.description="A self-hosted drop-in for the OpenAI Realtime API" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=gateway-env /opt/gateway /opt/gateway
COPY --from=source /app /app
ENV PATH=/opt/gateway/bin:$PATH \
    HOST=0.0.0.0 \
    PORT=8000 \
    VOICEENGINE_DATA_DIR=/data
USER 10001:10001
VOLUME ["/data"]
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["voiceengine", "health"]
CMD ["voiceengine", "serve", "--quiet"]

# --- speech: the worker behind a Unix socket; needs no network at all, keeps nothing ------------
FROM base AS speech
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="VoiceEngine speech worker" \
      org.opencontainers.image.description="Recognition, synthesis and voice activity by OVOS plugins" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0 AND GPL-3.0-or-later"
COPY --from=speech-env /opt/speech /opt/speech
COPY --from=source /app/realtime realtime
COPY --from=source /app/ovos_bridge ovos_bridge
ENV PATH=/opt/speech/bin:$PATH
USER 10001:10001
VOLUME ["/run/voiceengine"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-m", "ovos_bridge.launch.health", "speech", "--socket", "/run/voiceengine/speech.sock"]
CMD ["python", "-m", "ovos_bridge.speech.worker", "--state-dir", "/tmp/speech", "--socket", "/run/voiceengine/speech.sock"]

# --- ovos: message bus, core and skills, one process per container; starts as core --------------
FROM base AS ovos
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="VoiceEngine OVOS" \
      org.opencontainers.image.description="OVOS message bus, core and offline skills, intents trained" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0 AND GPL-3.0-or-later AND LGPL-2.1-only"
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libfann2 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=ovos-env /opt/speech /opt/speech
COPY --from=source /app/realtime realtime
COPY --from=source /app/ovos_bridge ovos_bridge
ENV PATH=/opt/speech/bin:$PATH
USER 10001:10001
VOLUME ["/data"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-m", "ovos_bridge.launch.health", "core", "--host", "ovos-hub", "--port", "8181"]
CMD ["python", "-m", "ovos_bridge.launch.core", "--state-dir", "/data/core", "--bus-host", "ovos-hub", "--port", "8181"]

# --- allinone: the gateway with speech and skills as its own child processes ---------------------
FROM ovos AS allinone
LABEL org.opencontainers.image.title="VoiceEngine" \
      org.opencontainers.image.description="A self-hosted drop-in for the OpenAI Realtime API, with speech and skills"
COPY --from=gateway-env /opt/gateway /opt/gateway
COPY --from=source /app /app
ENV PATH=/opt/gateway/bin:$PATH \
    HOST=0.0.0.0 \
    PORT=8000 \
    VOICEENGINE_DATA_DIR=/data \
    VOICEENGINE_SPEECH_PYTHON=/opt/speech/bin/python
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["voiceengine", "health"]
CMD ["voiceengine", "serve", "--quiet"]
