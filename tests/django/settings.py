"""Reads os.environ and nothing else: the application knows no secret store and no SDK."""

import os

SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]
ALLOWED_HOSTS = ["127.0.0.1"]
DEBUG = os.environ.get("DJANGO_DEBUG") == "1"
ROOT_URLCONF = "urls"
WSGI_APPLICATION = "wsgi.application"
