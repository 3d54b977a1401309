# All of the project but the GPU: code server, runs, webserver, daemon and MLflow server.
#
#   docker build -f docker/code-location.Dockerfile -t astro-assets-code-location:0.1.0 .
#
# One of PIP_EXTRA_INDEX_URL and PIP_FIND_LINKS says where the CPU build of torch lies, unless that
# is what your package index has anyway.

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
COPY pyproject.toml constraints.txt docker/requirements.py ./
RUN python3 requirements.py pyproject.toml deploy kaggle fast > requirements.txt \
 && /opt/venv/bin/pip install -c constraints.txt -r requirements.txt
# Gigabytes that no step here can use are refused, not shipped.
RUN /opt/venv/bin/python -c "import torch; built = torch.version.cuda; assert built is None, \
    f'torch is built for CUDA {built}: give PIP_EXTRA_INDEX_URL, the address of its CPU wheels'"

# The package goes into a layer of its own, laid over the dependencies.
RUN python3 -m venv /opt/build && /opt/build/bin/pip install -c constraints.txt hatchling
COPY README.md LICENSE ./
COPY astro_assets astro_assets
COPY dbt_like_sql dbt_like_sql
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation -w /wheels . \
 && /opt/venv/bin/pip install --no-deps --target /opt/astro-assets /wheels/*.whl


FROM ${PYTHON_IMAGE}
LABEL astro-assets.stage="image" \
      org.opencontainers.image.title="astro-assets-code-location" \
      org.opencontainers.image.licenses="Apache-2.0"

# The same number in both images: they share the home's volume.
RUN groupadd --gid 10001 astro \
 && useradd --uid 10001 --gid 10001 --no-log-init --create-home --shell /usr/sbin/nologin astro \
 && install -d -o astro -g astro /var/lib/astro /var/lib/mlflow

COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/astro-assets /opt/astro-assets
COPY docker/dagster.yaml docker/workspace.yaml /opt/dagster/

ENV PATH=/opt/astro-assets/bin:/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/opt/astro-assets \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    DAGSTER_HOME=/opt/dagster \
    ASTRO_HOME=/var/lib/astro \
    HF_HOME=/var/lib/astro/hugging-face \
    MLFLOW_ALLOW_PICKLE_DESERIALIZATION=false

WORKDIR /home/astro
USER 10001:10001
VOLUME /var/lib/astro
EXPOSE 4000
HEALTHCHECK --interval=30s --timeout=30s --start-period=60s --retries=5 \
  CMD ["dagster", "api", "grpc-health-check", "-p", "4000"]
# Other commands of the stack come from compose.yaml; `astro-assets` is on the path too.
CMD ["dagster", "api", "grpc", "-h", "0.0.0.0", "-p", "4000", \
     "-m", "astro_assets.definitions", "--location-name", "astro-assets"]
