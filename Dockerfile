# Impasto as a command in a container: docs/container.md says how to use it.
#
#     docker build -t impasto .
#     docker build -t impasto:video --build-arg EXTRAS=web,video .
#
# `make container-check` performs these very steps without an engine.

FROM python:3.13-slim-bookworm AS build
# Extras of the package, with commas between: web, video (with GPL parts), openvino, heic.
ARG EXTRAS=web
WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
RUN pip wheel --no-cache-dir --no-deps --wheel-dir dist .
RUN python -m venv --without-pip /opt/impasto \
    && pip --python /opt/impasto/bin/python install --no-cache-dir -c constraints.txt \
        "$(echo dist/*.whl)${EXTRAS:+[$EXTRAS]}"
COPY containers/health.py /opt/impasto/health.py

FROM python:3.13-slim-bookworm
LABEL org.opencontainers.image.title="Impasto" \
    org.opencontainers.image.description="Arbitrary style transfer: a picture in the style of another, fast, offline" \
    org.opencontainers.image.licenses="MIT"
COPY --from=build /opt/impasto /opt/impasto
# Nothing is written but results: the root may be read-only, and so may HOME.
ENV PATH=/opt/impasto/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /work
USER 1000:1000
# The port of `impasto serve --host 0.0.0.0`.
EXPOSE 8484
# Asks the server if one runs; any other command is healthy.
HEALTHCHECK --interval=60s --timeout=10s --start-period=20s \
    CMD ["python", "/opt/impasto/health.py"]
ENTRYPOINT ["impasto"]
CMD ["--help"]
