# One image; the command says which process it is: web, worker, scheduler or migrate.
#   docker build -t agentflow .
#   docker run --env DATABASE_URL --env REDIS_URL --env AGENTFLOW_SECRET_KEY \
#       --env AGENTFLOW_MASTER_KEYS -p 3000:3000 agentflow web
FROM python:3.11-slim AS build
WORKDIR /app
ENV PIP_NO_CACHE_DIR=1 AGENTFLOW_DATA_DIR=/app/.agentflow
COPY bootstrap.py pyproject.toml README.md requirements.lock ./
COPY agentflow_app agentflow_app
COPY engine engine
COPY workers workers
COPY assets assets
COPY reflex.lock reflex.lock
COPY rxconfig.py ./
RUN python bootstrap.py run -- agentflow build \
    && rm -rf .agentflow/frontend/stage .agentflow/frontend/reflex .agentflow/frontend/bin ~/.cache ~/.npm

FROM build AS bill
COPY requirements-dev.lock ./
COPY supply_chain supply_chain
RUN python bootstrap.py dev -- python -m supply_chain sbom /sbom

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /app agentflow
WORKDIR /app
ENV PATH=/app/.venv/bin:$PATH \
    AGENTFLOW_ENV=production \
    AGENTFLOW_DATA_DIR=/app/.agentflow \
    AGENTFLOW_HOST=0.0.0.0 \
    PORT=3000 \
    PYTHONUNBUFFERED=1
COPY --from=build /app /app
COPY --from=bill /sbom sbom
COPY alembic alembic
COPY examples examples
USER agentflow
EXPOSE 3000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["agentflow", "health"]
ENTRYPOINT ["agentflow"]
CMD ["web"]
