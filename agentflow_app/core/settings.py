"""What the environment decides. Read once per process; a bad value stops the start with a clear line."""

from functools import lru_cache
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from limits import RateLimitItem, parse
from pydantic import AfterValidator, AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from agentflow_app.core.master_keys import parse_master_keys

MIN_SECRET_LENGTH = 32
OFF = "off"


@lru_cache(maxsize=100)
def limit_of(text: str) -> RateLimitItem | None:
    """`10/minute`, `500 per 2 hours`; None for `off`. Raises ValueError."""
    return None if text.strip().lower() == OFF else parse(text)


def _checked_limit(text: str) -> str:
    try:
        limit_of(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no rate limit: write 10/minute, 500/hour or off") from error
    return text


RateLimit = Annotated[str, AfterValidator(_checked_limit)]


def _address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{text!r} is no address: write https://github.example.com")
    return text.rstrip("/")


def _plain(name: str) -> AliasChoices:
    """For the names that everyone knows, which carry no AGENTFLOW_ prefix."""
    return AliasChoices(name, name.lower())


class Settings(BaseSettings):
    """All settings of web, worker, scheduler and CLI. Names: docs/operations.md."""

    model_config = SettingsConfigDict(env_prefix="AGENTFLOW_", extra="ignore", populate_by_name=True)

    env: Literal["development", "production"] = "development"
    data_dir: Path = Path(".agentflow")
    host: str = "127.0.0.1"
    port: int = Field(default=3000, ge=1, le=65535, validation_alias=AliasChoices("PORT", "port"))
    public_url: str | None = None
    """Where browsers reach the app, when that is not the address it listens on."""
    cors_origins: Annotated[list[str], NoDecode] = []
    trusted_proxies: Annotated[list[str], NoDecode] = []
    """Addresses or networks of the proxies in front, whose X-Forwarded-For is believed."""

    database_url: str = Field(default="", validation_alias=_plain("DATABASE_URL"))
    """The owner's: migrations use it, and the app's and the system's roles are derived from it."""
    redis_url: str = Field(default="", validation_alias=_plain("REDIS_URL"))
    database_pool_size: int = Field(default=10, ge=1, le=200)
    secret_key: SecretStr = SecretStr("")
    master_keys: SecretStr = SecretStr("")
    """`id:base64,…`: what seals the vault. The first seals, the others only open what they once sealed."""
    kms_key_id: str = ""
    """A key of AWS KMS that seals the vault instead."""

    smtp_url: SecretStr = SecretStr("")
    """`smtp://user:password@host:587` (STARTTLS) or `smtps://…`; without it no letters are sent."""
    mail_from: str = ""

    google_client_id: str = ""
    google_client_secret: SecretStr = SecretStr("")
    github_client_id: str = ""
    github_client_secret: SecretStr = SecretStr("")
    github_url: Annotated[str, AfterValidator(_address)] = "https://github.com"
    """GitHub's, or that of an Enterprise server."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["auto", "json", "text"] = "auto"

    openai_api_key: SecretStr | None = Field(default=None, validation_alias=_plain("OPENAI_API_KEY"))
    openai_base_url: str | None = Field(default=None, validation_alias=_plain("OPENAI_BASE_URL"))
    anthropic_api_key: SecretStr | None = Field(default=None, validation_alias=_plain("ANTHROPIC_API_KEY"))
    anthropic_base_url: str | None = Field(default=None, validation_alias=_plain("ANTHROPIC_BASE_URL"))
    share_operator_keys: bool | None = None
    """Whether tenants may use the operator's model keys; by default yes, but not in production."""
    allowed_private_hosts: Annotated[list[str], NoDecode] = []

    rate_limit_auth: RateLimit = "10/minute"
    """Attempts to sign in or up, by address and by account."""
    rate_limit_org: RateLimit = "1000/minute"
    rate_limit_key: RateLimit = "500/minute"
    rate_limit_address: RateLimit = "300/minute"
    """Calls without valid credentials, by address."""
    rate_limit_plans: dict[str, RateLimit] = {}
    """Executions that an organization may start, by its plan: `{"starter": "1000/day"}`."""

    worker_concurrency: int = Field(default=100, ge=1, le=10_000)
    """Executions that one worker process runs at once."""
    max_agent_depth: int = Field(default=8, ge=1, le=100)
    """How many runs deep agents may call one another."""
    lease_seconds: float = Field(default=8.0, ge=0.5)
    poll_seconds: float = Field(default=0.4, gt=0)
    """How often a worker looks for cancels and signals of what it runs."""
    reconcile_seconds: float = Field(default=2.0, gt=0)
    code_seconds: float = Field(default=10.0, gt=0, le=300)
    """What a run of a code node may compute."""
    code_memory_mb: int = Field(default=128, ge=16, le=4096)
    payload_bytes: int = Field(default=1 << 20, ge=1024)
    """What a run takes in or puts out beyond that is stored beside it, and passed by reference."""
    max_output_mb: int = Field(default=32, ge=1, le=200)
    """What one step may put out, as JSON."""
    max_state_mb: int = Field(default=256, ge=1, le=4096)
    """What all steps of one run may put out together."""
    max_run_steps: int = Field(default=100_000, ge=1)
    max_body_bytes: int = Field(default=1 << 20, ge=1024)
    idempotency_hours: int = 24
    organization_grace_days: int = Field(default=7, ge=0, le=3650)
    """How long a deleted organization can be brought back before it is removed for good."""

    @field_validator("cors_origins", "trusted_proxies", "allowed_private_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: list[str]) -> list[str]:
        for each in value:
            ip_network(each, strict=False)  # its error names the bad one
        return value

    @field_validator("database_url")
    @classmethod
    def _driverless(cls, value: str) -> str:
        for prefix in ("postgresql+psycopg://", "postgres://"):
            if value.startswith(prefix):
                return "postgresql://" + value.removeprefix(prefix)
        return value

    @model_validator(mode="after")
    def _strong_secrets(self) -> "Settings":
        secret = self.secret_key.get_secret_value()
        if self.production and (len(secret) < MIN_SECRET_LENGTH or len(set(secret)) < MIN_SECRET_LENGTH // 4):
            raise ValueError(
                f"AGENTFLOW_SECRET_KEY is missing or weak: set at least {MIN_SECRET_LENGTH} random characters"
                " (for example from: openssl rand -hex 32)"
            )
        if (
            not (parse_master_keys(self.master_keys.get_secret_value()) or self.kms_key_id)
            and self.production
        ):
            raise ValueError(
                "No master key seals the vault: set AGENTFLOW_MASTER_KEYS (for example"
                " first:$(openssl rand -base64 32)) or AGENTFLOW_KMS_KEY_ID"
            )
        return self

    @model_validator(mode="after")
    def _whole_mail_server(self) -> "Settings":
        url = urlsplit(self.smtp_url.get_secret_value())
        if url.geturl() and (url.scheme not in ("smtp", "smtps") or not url.hostname):
            raise ValueError("AGENTFLOW_SMTP_URL is no mail server: write smtp://user:password@host:587")
        if url.geturl() and "@" not in self.mail_from:
            raise ValueError("AGENTFLOW_MAIL_FROM is missing: set the address that letters come from")
        return self

    @model_validator(mode="after")
    def _whole_clients(self) -> "Settings":
        for name, client_id, secret in (
            ("GOOGLE", self.google_client_id, self.google_client_secret),
            ("GITHUB", self.github_client_id, self.github_client_secret),
        ):
            if bool(client_id) != bool(secret.get_secret_value()):
                raise ValueError(f"Set both AGENTFLOW_{name}_CLIENT_ID and AGENTFLOW_{name}_CLIENT_SECRET")
        return self

    @property
    def production(self) -> bool:
        return self.env == "production"

    @property
    def operator_keys_shared(self) -> bool:
        return not self.production if self.share_operator_keys is None else self.share_operator_keys

    @property
    def base_url(self) -> str:
        """Where links in letters lead; never what a request says about itself."""
        return (self.public_url or f"http://localhost:{self.port}").rstrip("/")

    @property
    def origins(self) -> list[str]:
        """The exact origins whose pages may talk to the app."""
        own = [self.public_url.rstrip("/")] if self.public_url else []
        local = [] if self.production else [f"http://{h}:{self.port}" for h in ("localhost", "127.0.0.1")]
        return [*own, *local, *self.cors_origins]


@lru_cache(maxsize=1)
def settings() -> Settings:
    return Settings()
