"""Django's settings. What a user can set is in ``env.py``; this only passes it on."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from kernelbox_site import __version__
from kernelbox_site.databases import database
from kernelbox_site.env import BadSetting, read_environment
from kernelbox_site.secret_key import private_folder, secret_key
from kernels.conf import KernelSettings
from kernels.environment import kernel_environment
from kernels.runtime.types import Limits

BASE_DIR = Path(__file__).resolve().parent.parent

try:
    ENV = read_environment(os.environ)
    DATABASES = {"default": database(ENV.database_url, ENV.home)}
    SECRET_KEY = secret_key(ENV.home)
    _runtime_dir = private_folder(ENV.runtime_folder())
    _working_dir = private_folder(ENV.home / "work")
except (BadSetting, OSError) as error:
    sys.exit(f"kernelbox: {error}")

DEBUG = ENV.debug
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", ENV.host, f"[{ENV.host}]", *ENV.allowed_hosts]
FORCE_SCRIPT_NAME = ENV.root_path or None

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "kernels",
    "sessions_app",
    "kernelbox_site.apps.SiteConfig",
]
# For pages alone: the API's handler has none (handler.py).
MIDDLEWARE = [
    "kernelbox_site.middleware.AdminSecurityMiddleware",
    "kernelbox_site.middleware.AdminSessionMiddleware",
    "kernelbox_site.middleware.AdminCsrfViewMiddleware",
    "kernelbox_site.middleware.AdminAuthenticationMiddleware",
    "kernelbox_site.middleware.AdminMessageMiddleware",
    "kernelbox_site.middleware.PageHeadersMiddleware",
]
ROOT_URLCONF = "kernelbox_site.urls"
ASGI_APPLICATION = "kernelbox_site.asgi.application"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "kernelbox_site" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# The body's size is bounded where it comes in (door.py); it is never written to a temporary file.
DATA_UPLOAD_MAX_MEMORY_SIZE = None
FILE_UPLOAD_MAX_MEMORY_SIZE = ENV.body_limit + 1

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_NAME = "kernelbox_admin"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_NAME = "kernelbox_csrf"
X_FRAME_OPTIONS = "DENY"
# `manage.py check --deploy` asks for HTTPS throughout. This server speaks plain HTTP, on loopback or
# to a reverse proxy that ends TLS (docs/reverse-proxy.md), which is where these belong.
SILENCED_SYSTEM_CHECKS = [
    "security.W001",  # SecurityMiddleware: there for the admin, by a subclass
    "security.W002",  # X-Frame-Options: set for every page by PageHeadersMiddleware
    "security.W003",  # CsrfViewMiddleware: there for the admin, by a subclass
    "security.W004",  # HSTS
    "security.W008",  # redirect to HTTPS
    "security.W010",  # Secure on the session cookie: the admin works on http://127.0.0.1
    "security.W016",  # Secure on the CSRF cookie: as above
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "kernelbox_site.logs.LineFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": ENV.log_level},
    "loggers": {
        "django": {"handlers": [], "level": ENV.log_level, "propagate": True},
        # Every 4xx of the API would be a warning; uvicorn's access log has them.
        "django.request": {"level": "ERROR"},
        "uvicorn": {"handlers": [], "level": ENV.log_level, "propagate": True},
        # At DEBUG it tells every header of a WebSocket's handshake, and so the token.
        "uvicorn.error": {"level": "INFO" if ENV.log_level == "DEBUG" else ENV.log_level},
        # A line a request costs as much as the rest of uvicorn's work.
        "uvicorn.access": {"handlers": [], "propagate": ENV.log_level == "DEBUG"},
    },
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_PARSER_CLASSES": ["kernels.api.json.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["kernels.api.json.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "kernels.api.errors.answer_for",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "KernelBox API",
    "DESCRIPTION": (
        "Persistent code execution over HTTP. `POST /sessions/{name}/execute` runs code in the live "
        "Jupyter kernel that belongs to that name; variables stay between calls; every run is kept."
    ),
    "VERSION": __version__,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVERS": [{"url": ENV.root_path}] if ENV.root_path else [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {
        "deepLinking": True,
        "displayRequestDuration": True,
        "filter": True,
        "tryItOutEnabled": True,
        "validatorUrl": None,
    },
    "ENUM_NAME_OVERRIDES": {
        "KernelState": "kernels.runtime.states.KernelState",
        "ResultStatus": "sessions_app.api.serializers.RESULT_STATUSES",
        "ExecutionStatus": "sessions_app.api.serializers.EXECUTION_STATUSES",
    },
    "TAGS": [
        {"name": "Service", "description": "Whether it is well, and what it offers."},
        {"name": "Kernels", "description": "The life of kernels."},
        {"name": "Sessions", "description": "Names that own a kernel and a history."},
        {"name": "Execution", "description": "Running code."},
        {"name": "History", "description": "What ran, and what came of it."},
    ],
    "APPEND_COMPONENTS": {
        "securitySchemes": {
            "token": {
                "type": "http",
                "scheme": "bearer",
                "description": "`KERNELBOX_TOKEN`, where the server has one.",
            }
        }
    },
    "SECURITY": [{"token": []}, {}],
}

KERNELBOX = KernelSettings(
    kernel_type=ENV.kernel_type,
    runtime_dir=_runtime_dir,
    working_dir=_working_dir,
    environment=kernel_environment(os.environ, ENV.kernel_env),
    startup_code=ENV.startup_code,
    preload=ENV.preload,
    spares=ENV.spares,
    max_kernels=ENV.max_kernels,
    start_timeout=ENV.start_timeout,
    queue_limit=ENV.queue_limit,
    execution_timeout=ENV.execution_timeout,
    max_retries=ENV.max_retries,
    limits=Limits(output_chars=ENV.output_chars, rich_bytes=ENV.rich_output_byte_limit),
)
