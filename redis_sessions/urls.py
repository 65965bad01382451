"""URLs to include: ``path("sessions/", include("redis_sessions.urls"))``.

The pages need ``django.contrib.auth``; a site without it has the address of claims alone.
"""

from django.apps import apps
from django.urls import path

from . import views

app_name = "redis_sessions"

urlpatterns = [path("claim/", views.claim, name="claim")]

if apps.is_installed("django.contrib.auth"):
    from . import pages

    urlpatterns += [
        path("", pages.SessionListView.as_view(), name="session_list"),
        path("end/others/", pages.EndOtherSessionsView.as_view(), name="end_other_sessions"),
        path("end/<str:session_id>/", pages.EndSessionView.as_view(), name="end_session"),
    ]
