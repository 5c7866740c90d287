# The one image of both controllers. Build from the repository's root:
#   docker build -t kaito .
# It starts the workspace controller; the other one is `python -m provisioner`.
FROM python:3.11-slim

ENV PYTHONPATH=/app \
    PYTHONUNBUFFERED=1

COPY hack/locks/controller.txt /tmp/controller.txt
RUN pip install --no-cache-dir --no-deps --require-hashes -r /tmp/controller.txt \
    && rm /tmp/controller.txt

COPY kaito /app/kaito
COPY provisioner /app/provisioner
COPY presets/models /app/presets/models
COPY presets/skus /app/presets/skus
# Compiled here, because the file system is read-only where it runs.
RUN python -m compileall -q /app

WORKDIR /app
USER 65532:65532
ENTRYPOINT []
CMD ["python", "-m", "kaito"]
