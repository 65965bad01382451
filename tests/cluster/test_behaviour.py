"""What holds on one server holds on a cluster: the same tests of scripts, commands and users."""

import pytest
from redis.cluster import RedisCluster

from redis_sessions.reasons import Reason
from tests import test_users
from tests.clusters import Cluster
from tests.conftest import Do
from tests.people import log_in, person
from tests.test_commands import *  # noqa: F403
from tests.test_users import *  # noqa: F403

pytestmark = pytest.mark.slow

del test_the_end_is_published_with_its_reason  # noqa: F821 - below


def test_the_end_is_published_on_the_sharded_channel(
    do: Do, call: test_users.Call, cluster: Cluster, redis_client: RedisCluster
) -> None:
    session = log_in(do)
    channel = f"session:{{{session.id}}}"
    with cluster.owner_of(channel).client() as client, client.pubsub() as pubsub:
        pubsub.ssubscribe(channel)
        assert pubsub.get_message(timeout=5)["type"] == "ssubscribe"
        call(test_users.users.end_session, person(), session.id, Reason.REVOKED)
        message = pubsub.get_message(timeout=5)
    assert (message["type"], message["data"]) == ("smessage", b"revoked ")
