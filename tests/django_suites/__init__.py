"""Django's own tests, run against this session engine; see test_django_suites.py."""
