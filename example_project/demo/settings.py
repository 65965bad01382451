"""Settings of the demo site: what one session for HTTP and WebSocket needs, and little else."""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

# run.py sets these; manage.py finds a server of yours and a database file beside it.
REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
DATABASE = os.environ.get("DEMO_DATABASE", str(BASE_DIR / "demo.sqlite3"))
HOST = os.environ.get("DEMO_HOST", "127.0.0.1")

LOOPBACK = ["127.0.0.1", "localhost", "[::1]"]
DEBUG = HOST in ["127.0.0.1", "localhost", "::1"]
ALLOWED_HOSTS = [*LOOPBACK, HOST]
SECRET_KEY = "django-insecure-demo-only-everybody-can-read-this-key"

# The session: an engine, two middlewares, an entry of CACHES for the connection.
SESSION_ENGINE = "redis_sessions.session"
CACHES = {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": REDIS_URL}}
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "redis_sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "redis_sessions.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

# The chat: a channel layer.
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {
            # The layer waits up to 5 s for a message, and 5 s is redis-py's default socket
            # timeout: of two equal clocks the wrong one may win and close an idle WebSocket.
            "hosts": [{"address": REDIS_URL, "socket_timeout": 15}],
            "prefix": "demo",
        },
    },
}

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "demo",  # before redis_sessions, whose page it gives its own frame
    "redis_sessions",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
# Where the page of a user's sessions sends who is not logged in, and who signs out there.
LOGIN_URL = LOGOUT_REDIRECT_URL = "page"
CSRF_FAILURE_VIEW = "demo.views.stale"
ROOT_URLCONF = "demo.urls"
ASGI_APPLICATION = "demo.asgi.application"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATABASE}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
TIME_ZONE = "UTC"
USE_TZ = True
