# vLLM's own server, without weights: it fetches them from the hub. Build from the repository's root:
#   docker build -f presets/inference/vllm.Dockerfile -t kaito-vllm:0.25.1 .
# The version is the one whose parameters presets/models holds.
FROM vllm/vllm-openai:v0.25.1

ENV HOME=/tmp \
    HF_HOME=/workspace/weights \
    PYTHONUNBUFFERED=1

# Starts it on several nodes together: the image that a user brings for such a preset has it too.
COPY presets/inference/group.py /workspace/inference/group.py

WORKDIR /workspace
USER 65532:65532
EXPOSE 5000
STOPSIGNAL SIGTERM
ENTRYPOINT []
CMD ["vllm", "--help"]
