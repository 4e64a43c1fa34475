# smidgen on a plain Python, with a C compiler for proofs of exported C:
#   docker build -t smidgen . && docker run --rm -v "$PWD:/home/smidgen/here" smidgen design --data photos --max-params 5k --out mine
# The first stage builds the wheel; the second holds what is used. Debian keeps one version of its packages, so that none is pinned.
FROM python:3.13-slim AS build
# hadolint ignore=DL3008
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
COPY pyproject.toml setup.py README.md LICENSE LICENSE-0BSD THIRD_PARTY.md /source/
COPY src /source/src
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /source

FROM python:3.13-slim
# Which build of torch: `cpu` is 0.8 GB, `cu130` and the like are for an NVIDIA GPU. uv knows where each is.
ARG TORCH=cpu
ARG EXTRAS=export,hub
# hadolint ignore=DL3008
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 smidgen
COPY constraints.txt /tmp/
COPY --from=build /wheels /tmp/wheels
RUN pip install --no-cache-dir --constraint /tmp/constraints.txt uv \
    && uv pip install --system --no-cache --torch-backend "$TORCH" --constraint /tmp/constraints.txt "$(ls /tmp/wheels/*.whl)[$EXTRAS]" \
    && pip uninstall --yes uv && rm -rf /tmp/wheels /tmp/constraints.txt
USER 1000
WORKDIR /home/smidgen/here
ENTRYPOINT ["smidgen"]
