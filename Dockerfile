# A server for one bundle: core and serve, no torch. The bundle is mounted, never copied into the image.
#
#   docker build -t photograft .
#   docker run --rm --read-only --cap-drop ALL --security-opt no-new-privileges --memory 2g \
#     -p 127.0.0.1:8000:8000 -v "$PWD/runs/2026-11-22-photos/model:/model:ro" -e PHOTOGRAFT_TOKEN=... photograft

FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY src src
# Compiled here, since the finished image is read-only.
RUN python -m venv /opt/photograft \
    && /opt/photograft/bin/pip install --no-cache-dir --disable-pip-version-check --compile '.[serve]' \
    && /opt/photograft/bin/pip uninstall --yes --quiet pip

FROM python:3.13-slim
COPY --from=build /opt/photograft /opt/photograft
ENV PATH=/opt/photograft/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["python", "-c", \
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["photograft", "serve"]
# Every address of the container, so that a token is needed: PHOTOGRAFT_TOKEN.
CMD ["/model", "--host", "0.0.0.0", "--port", "8000"]
