"""URLs to include: ``path("sessions/", include("redis_sessions.urls"))``."""

from django.urls import path

from . import pages, views

app_name = "redis_sessions"

urlpatterns = [
    path("", pages.SessionListView.as_view(), name="session_list"),
    path("end/others/", pages.EndOtherSessionsView.as_view(), name="end_other_sessions"),
    path("end/<str:session_id>/", pages.EndSessionView.as_view(), name="end_session"),
    path("claim/", views.claim, name="claim"),
]
