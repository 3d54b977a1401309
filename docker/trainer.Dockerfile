# The trainer, and nothing it does not need: no Dagster, no MLflow, no DuckDB, no figures.
#
#   docker build -f docker/trainer.Dockerfile -t astro-assets-trainer:0.1.0 .
#   docker run --rm --gpus all -v HOME_VOLUME:/var/lib/astro astro-assets-trainer:0.1.0 --job …
#
# torch brings CUDA's libraries as wheels that it pins itself; the host gives the driver alone.

# A base by tag and digest. Both stages must have the same one: a virtual environment holds its path.
ARG PYTHON_IMAGE=python:3.11.16-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

FROM ${PYTHON_IMAGE} AS build
LABEL astro-assets.stage="build"
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python3 -m venv /opt/venv

# Dependencies before code: a change of code builds two small layers anew.
ARG PIP_EXTRA_INDEX_URL=""
ARG PIP_FIND_LINKS=""
COPY constraints.txt docker/trainer-requirements.txt ./
RUN /opt/venv/bin/pip install -c constraints.txt -r trainer-requirements.txt

# The package goes into a layer of its own, laid over the dependencies; without its own: these are
# for the other image.
RUN python3 -m venv /opt/build && /opt/build/bin/pip install -c constraints.txt hatchling
COPY pyproject.toml README.md LICENSE ./
COPY astro_assets astro_assets
COPY dbt_like_sql dbt_like_sql
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation -w /wheels . \
 && /opt/venv/bin/pip install --no-deps --target /opt/astro-assets /wheels/*.whl


FROM ${PYTHON_IMAGE}
LABEL astro-assets.stage="image" \
      org.opencontainers.image.title="astro-assets-trainer" \
      org.opencontainers.image.licenses="Apache-2.0"

# The same number in both images: they share the home's volume.
RUN groupadd --gid 10001 astro \
 && useradd --uid 10001 --gid 10001 --no-log-init --create-home --shell /usr/sbin/nologin astro \
 && install -d -o astro -g astro /var/lib/astro

COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/astro-assets /opt/astro-assets

# The base model lies in the home: nothing is fetched here.
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/opt/astro-assets \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ASTRO_HOME=/var/lib/astro \
    HF_HUB_OFFLINE=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

WORKDIR /home/astro
USER 10001:10001
VOLUME /var/lib/astro
# A training saves and stops on SIGTERM and on SIGINT; give it minutes before SIGKILL.
STOPSIGNAL SIGTERM
# It ends by itself and its exit code tells how: there is nothing to probe.
HEALTHCHECK NONE
ENTRYPOINT ["python", "-m", "astro_assets.training"]
CMD ["--help"]
