"""Filters for templates that show sessions: ``{% load redis_sessions %}``."""

from django import template

from ..useragents import describe

register = template.Library()

# ``{{ session.user_agent|describe }}``: "Firefox on Ubuntu"; it has .browser, .system and .device.
register.filter("describe", describe)
