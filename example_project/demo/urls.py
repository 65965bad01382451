"""HTTP addresses."""

from django.contrib import admin
from django.urls import include, path

from . import views

urlpatterns = [
    path("", views.page, name="page"),
    path("do/<str:action>/", views.act, name="act"),
    path("login/", views.log_in, name="log_in"),
    path("logout/", views.log_out, name="log_out"),
    path("sessions/", include("redis_sessions.urls")),  # where you are signed in; claims
    path("admin/", admin.site.urls),
]
