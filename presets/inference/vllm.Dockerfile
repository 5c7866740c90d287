# The image with vLLM, without weights: it fetches them from the hub. Build from the repository's root:
#   docker build -f presets/inference/vllm.Dockerfile -t kaito-vllm:0.25.1 .
# The version is the one whose parameters presets/models holds. A release names the base by its digest:
# docs/guides/release.md.
ARG BASE=vllm/vllm-openai:v0.25.1
FROM $BASE

ENV HOME=/tmp \
    HF_HOME=/workspace/weights \
    PYTHONUNBUFFERED=1 \
    VLLM_NO_USAGE_STATS=1 \
    DO_NOT_TRACK=1 \
    HF_HUB_DISABLE_TELEMETRY=1 \
    HF_HUB_DISABLE_XET=1

# The image that a user brings for such a preset has these too. The program is vLLM's own server with
# /chat, /healthz and the adapters of the contract; group.py starts it on several nodes together.
COPY presets/inference/vllm_server.py /workspace/inference/vllm_server.py
COPY presets/inference/group.py /workspace/inference/group.py
COPY presets/inference/front /workspace/inference/front
COPY presets/inference/serving /workspace/inference/serving
COPY presets/inference/process /workspace/inference/process
COPY presets/artifacts/oci /workspace/artifacts/oci
COPY presets/artifacts/lora /workspace/artifacts/lora

WORKDIR /workspace
USER 65532:65532
EXPOSE 5000
STOPSIGNAL SIGTERM
ENTRYPOINT []
CMD ["python3", "/workspace/inference/vllm_server.py", "--help"]
