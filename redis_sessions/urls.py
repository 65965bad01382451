"""URLs to include: ``path("sessions/", include("redis_sessions.urls"))``."""

from django.urls import path

from . import views

app_name = "redis_sessions"

urlpatterns = [path("claim/", views.claim, name="claim")]
