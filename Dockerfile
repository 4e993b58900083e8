# First version, not yet run: built and checked with its own issue.
FROM python:3.11-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends g++ make swig libfann-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY . .
RUN python deploy/bootstrap.py gateway speech

FROM python:3.11-slim-bookworm
RUN apt-get update && apt-get install -y --no-install-recommends libfann2 \
    && rm -rf /var/lib/apt/lists/* && useradd --create-home voiceengine
COPY --from=build --chown=voiceengine /app /app
WORKDIR /app
USER voiceengine
ENV HOST=0.0.0.0
EXPOSE 8000
HEALTHCHECK --start-period=60s CMD ["var/venv/gateway/bin/python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz')"]
CMD ["var/venv/gateway/bin/python", "-m", "gateway", "serve"]
