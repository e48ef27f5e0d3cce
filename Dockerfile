# deformgan in a container; without arguments it serves the studio on port 8000.
#
#   docker build -t deformgan .
#   docker run --rm -p 127.0.0.1:8000:8000 deformgan
#   docker run --rm -v "$PWD:/data" deformgan generate me.jpg dance.jpg --out out.png
#
# For an NVIDIA GPU (docs/docker.md):
#
#   docker build -t deformgan:cuda --build-arg BASE=nvidia/cuda:13.0.2-base-ubuntu24.04 \
#       --build-arg TORCH_BACKEND=cu130 .
#   docker run --rm --gpus all -p 127.0.0.1:8000:8000 deformgan:cuda

ARG BASE=python:3.12-slim
ARG UV=0.13.9

FROM python:3.12-slim AS build
ARG UV
RUN pip install --no-cache-dir "uv==${UV}"
WORKDIR /source
COPY . .
RUN uv build --no-cache --wheel --out-dir /wheels

FROM ${BASE}
ARG UV
# The build of PyTorch: cpu, or CUDA's version, such as cu130; only the driver is the host's.
ARG TORCH_BACKEND=cpu
ARG EXTRAS=web,video,hub

# Bases of CUDA have no Python; Ubuntu 24.04's is 3.12.
# hadolint ignore=DL3008
RUN command -v python3 >/dev/null || { \
        apt-get update \
        && apt-get install --yes --no-install-recommends python3 python3-venv \
        && rm -rf /var/lib/apt/lists/*; \
    }
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    python3 -m venv /opt/uv \
    && /opt/uv/bin/pip install --no-cache-dir "uv==${UV}" \
    && /opt/uv/bin/uv venv --no-cache /opt/deformgan \
    && /opt/uv/bin/uv pip install --no-cache --python /opt/deformgan/bin/python \
        --torch-backend "${TORCH_BACKEND}" "$(echo /wheels/*.whl)[${EXTRAS}]" \
    && rm -rf /opt/uv \
    && useradd --create-home --uid 10001 deformgan \
    && install --directory --owner=deformgan /data
ENV PATH=/opt/deformgan/bin:$PATH \
    PYTHONUNBUFFERED=1

USER 10001
WORKDIR /data
EXPOSE 8000
HEALTHCHECK --start-period=60s --timeout=10s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/about.json', timeout=5)"]
ENTRYPOINT ["deformgan"]
# Within the container on all addresses; who can reach it, -p decides.
CMD ["studio", "--host", "0.0.0.0"]
