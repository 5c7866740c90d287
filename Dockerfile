# The one image of both controllers. Build from the repository's root:
#   docker build -t kaito .
# hack/image builds it without a daemon, on a base made from Debian's packages.
# It starts the workspace controller; the other one is `python -m provisioner`.
ARG BUILDER=python:3.11-slim
ARG BASE=python:3.11-slim

FROM --platform=$BUILDPLATFORM $BUILDER AS packages
# Where wheels come from, if not from the index that pip knows.
ARG PIP_FIND_LINKS
ARG PIP_NO_INDEX
ARG TARGETARCH
COPY hack/locks/controller.txt /tmp/controller.txt
# Wheels of the architecture that is asked for: nothing is compiled, and nothing emulated.
RUN python3 -m venv --without-pip /opt/kaito \
    && machine=$(case "$TARGETARCH" in amd64) echo x86_64;; arm64) echo aarch64;; *) uname -m;; esac) \
    && python3 -m pip install --no-cache-dir --no-compile --no-deps --require-hashes \
        --only-binary :all: --platform "manylinux_2_28_$machine" --platform "manylinux2014_$machine" \
        --target /opt/kaito/lib/python3.11/site-packages -r /tmp/controller.txt
COPY kaito /app/kaito
COPY provisioner /app/provisioner
COPY presets/models /app/presets/models
COPY presets/skus /app/presets/skus
# Compiled here, because the file system is read-only where it runs.
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/kaito/lib /app

# buildah would go on with the platform above.
FROM --platform=$TARGETPLATFORM $BASE
ENV PATH=/opt/kaito/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1
COPY --from=packages /opt/kaito /opt/kaito
COPY --from=packages /app /app
WORKDIR /app
USER 65532:65532
ENTRYPOINT []
CMD ["python", "-m", "kaito"]
