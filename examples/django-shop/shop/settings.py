"""The shop's settings. `AGENTADMIT` at the end is all that lets agents in."""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

# a real shop keeps its own in the environment alone
SECRET_KEY = os.environ.get("SHOP_SECRET_KEY", "not-a-secret-of-a-real-shop")
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "agentadmit.integrations.django_integration",
    "shop",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "agentadmit.integrations.django_integration.AgentAdmitMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"
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
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("SHOP_DB", BASE_DIR / "shop.db"),
        "OPTIONS": {"timeout": 30},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
STATIC_URL = "static/"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "agentadmit:page"

# `manage.py agentadmit dev` gives the id and a test key; a variable wins over what stands here
AGENTADMIT = {
    "NAME": "Shop",
    "SERVICE_URL": "http://127.0.0.1:8700",
    "PUBLIC_URL": "http://127.0.0.1:8000",
    "SCOPES": [
        {"name": "read:orders", "description": "See your orders"},
        {"name": "write:orders", "description": "Cancel your orders", "sensitive": True},
    ],
}
