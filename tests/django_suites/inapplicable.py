"""The tests of Django's that cannot apply, each with its reason. Every other test must pass.

``test_django_suites`` runs these too and holds each to fail: with our engine, so that none is here
without need, and those of ``INAPPLICABLE`` with Django's cache engine as well, since what they ask
is asked of the database engine alone.
"""

import django

_COUNTS = "expects {} SQL queries of a request, one of them the read of the session table"
_EMPTIED = (
    "looks for the record in the session table; and a session emptied in a request keeps neither"
    " record nor cookie here"
)
_CHOOSES = "chooses the engine {}, which our middleware refuses"

INAPPLICABLE = {
    "sessions_tests.tests.SessionMiddlewareTests.test_empty_session_saved": _EMPTIED,
    "tests.django_suites.applied.OurMiddlewareTests.test_empty_session_saved": _EMPTIED,
    "admin_changelist.tests.ChangeListTests."
    "test_changelist_view_list_editable_changed_objects_uses_filter": (
        "asserts about the fifth SQL query of a request, counting the read of the session table"
    ),
    "admin_views.tests.AdminCustomQuerysetTest.test_changelist_view_count_queries": (
        _COUNTS.format(5)
    ),
    "admin_views.tests.AdminSearchTest.test_no_total_count": _COUNTS.format(4),
    "admin_views.tests.AdminSearchTest.test_reset_link": _COUNTS.format(5),
    "admin_views.tests.GroupAdminTest.test_group_permission_performance": _COUNTS.format(6),
    "admin_views.tests.UserAdminTest.test_user_permission_performance": _COUNTS.format(8),
}
if django.VERSION >= (6, 0):
    INAPPLICABLE[
        "auth_tests.test_middleware.TestLoginRequiredMiddleware."
        "test_protected_view_logged_in_performance"
    ] = _COUNTS.format(2)

INAPPLICABLE_TO_OUR_MIDDLEWARE = {
    "test_client.tests.ClientTest.test_logout_cookie_sessions": _CHOOSES.format("signed_cookies"),
    "test_client.tests.ClientTest.test_sessions_app_is_not_installed": _CHOOSES.format("file"),
    "test_client.tests.ClientTest.test_view_with_login_when_sessions_app_is_not_installed": (
        _CHOOSES.format("file")
    ),
    "test_client_regress.tests.SessionEngineTests.test_login": (
        _CHOOSES.format("test_client_regress.session")
    ),
}


def left_out(middleware: str) -> dict[str, str]:
    """Return the table for runs with the "stock" middleware or with "ours"."""
    return INAPPLICABLE | (INAPPLICABLE_TO_OUR_MIDDLEWARE if middleware == "ours" else {})
