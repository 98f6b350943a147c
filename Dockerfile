# Two stages: what is needed to install does not come along.
FROM python:3.12-slim AS build
WORKDIR /app
COPY requirements.txt .
RUN python -m venv /app/.venv && /app/.venv/bin/pip install --no-cache-dir -r requirements.txt
# The project itself, where it lies: its kernel provisioner is found by its entry point, in .venv.
COPY pyproject.toml ./
COPY kernelbox_site kernelbox_site
COPY kernels kernels
COPY sessions_app sessions_app
RUN /app/.venv/bin/pip install --no-cache-dir --no-deps -e .

FROM python:3.12-slim
RUN useradd --uid 10001 --create-home --home-dir /home/kernelbox kernelbox \
    && mkdir /data && chown kernelbox:kernelbox /data
WORKDIR /app
COPY --from=build /app/.venv /app/.venv
COPY manage.py ./
COPY kernelbox_site kernelbox_site
COPY kernels kernels
COPY sessions_app sessions_app
RUN /app/.venv/bin/python -m compileall -q kernelbox_site kernels sessions_app
USER kernelbox
# HOME is /data, so that a kernel's own files go there as well: the rest may be read-only.
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/data \
    KERNELBOX_HOME=/data \
    KERNELBOX_RUNTIME_DIR=/tmp/kernelbox \
    KERNELBOX_HOST=0.0.0.0 \
    KERNELBOX_PORT=8080
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health', timeout=4)"]
CMD ["python", "-m", "kernelbox_site"]
