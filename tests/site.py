"""The site of the tests: its URLs and its ASGI application."""

from django.core.asgi import get_asgi_application

urlpatterns: list[object] = []
application = get_asgi_application()
