"""One page, signed with the secret: it proves the secret is here without showing it."""

import hashlib
import hmac
import os

from django.conf import settings
from django.http import HttpResponse
from django.urls import path


def page(request):
    greeting = os.environ.get("GREETING", "hello")
    signature = hmac.new(settings.SECRET_KEY.encode(), greeting.encode(), hashlib.sha256)
    return HttpResponse(f"{greeting}, signed {signature.hexdigest()}\n", content_type="text/plain")


urlpatterns = [path("", page)]
