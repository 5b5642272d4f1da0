"""Removes a static member from its consumer group.

No client library does: a static member is expected to come back, and no other member gets its partitions until its
session times out. This request ends the membership at once (KIP-345, LeaveGroup version 3).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import anyio

from pywatt_kafka.aiokafka.client import bootstrap_errors, client_settings, require_aiokafka
from pywatt_kafka.aiokafka.connect_errors import unreachable
from pywatt_kafka.aiokafka.errors import translate, translated
from pywatt_kafka.aiokafka.sockets import Sockets, complete_shielded
from pywatt_kafka.connection.addresses import brokers_from
from pywatt_kafka.security.environment import security_from
from pywatt_kafka.security.options import Security

LIMIT = 5.0  # seconds
BY_INSTANCE = ""
"""The member id that stands for the member with the given instance id."""


async def leave_group(
    bootstrap_brokers: str | Sequence[str] | None,
    group: str,
    instance_id: str,
    *,
    timeout: float = LIMIT,
    security: Security | None = None,
) -> None:
    """Remove a static member that has ended, so that the rest of its group gets its partitions at once.

    Does nothing for a member that is not in the group, and on a broker without static members, as the embedded one.
    Raises KafkaUnavailable, NotAuthorized or another KafkaError within the timeout (seconds).
    """
    require_aiokafka()
    from aiokafka import errors
    from aiokafka.admin import AIOKafkaAdminClient

    addresses = brokers_from(bootstrap_brokers, os.environ)
    admin: Any = AIOKafkaAdminClient(
        request_timeout_ms=int(timeout * 1000),
        **client_settings(addresses, security_from(security, os.environ)),
    )
    sockets = Sockets(admin._client)
    during = f"taking {instance_id} out of consumer group {group}"
    try:
        with anyio.fail_after(timeout):
            with bootstrap_errors(addresses):
                await sockets.open(admin.start())
            with translated(during):
                coordinator = await admin.find_coordinator(group)
                try:
                    answer = await admin._send_request(_request(group, instance_id), coordinator)
                except NotImplementedError:
                    return
    except TimeoutError as error:
        raise unreachable(addresses) from error
    finally:
        await complete_shielded(sockets.close())
    for code in (answer.error_code, *(member[-1] for member in answer.members)):
        error_type = errors.for_code(code)
        if error_type not in (errors.NoError, errors.UnknownMemberIdError):
            raise translate(error_type(), during=during)


def _request(group: str, instance_id: str) -> Any:
    from aiokafka.protocol.api import Request, RequestStruct, Response
    from aiokafka.protocol.group import LeaveGroupRequest
    from aiokafka.protocol.types import Array, Int16, Int32, Schema, String

    text = String("utf-8")
    response: Any = Response  # whose types say that each of these is a property

    class LeaveGroupResponse3(response):  # type: ignore[misc]  # aiokafka is Any
        API_KEY = LeaveGroupRequest.API_KEY
        API_VERSION = 3
        SCHEMA = Schema(
            ("throttle_time_ms", Int32),
            ("error_code", Int16),
            ("members", Array(("member_id", text), ("group_instance_id", text), ("error_code", Int16))),
        )

    class LeaveGroupRequest3(RequestStruct):  # type: ignore[misc]
        API_KEY = LeaveGroupRequest.API_KEY
        API_VERSION = 3
        RESPONSE_TYPE = LeaveGroupResponse3
        SCHEMA = Schema(("group", text), ("members", Array(("member_id", text), ("group_instance_id", text))))

    class Leave(Request[LeaveGroupRequest3]):  # type: ignore[misc]
        API_KEY = LeaveGroupRequest.API_KEY

        def build(self, request_struct_class: type[LeaveGroupRequest3]) -> LeaveGroupRequest3:
            return request_struct_class(group, [(BY_INSTANCE, instance_id)])

    return Leave()
