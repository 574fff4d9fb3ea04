"""The front door against the contracts: what is public is served, and roles speak of what there is."""

from __future__ import annotations

import json
from pathlib import Path

import gateway
from chassis.call import FOREIGN
from chassis.principals import covers
from gateway.routes import RouteTable
from gateway.server import CONTRACTS
from shuke.options.v1 import options_pb2
from tests.contract.descriptors import access, methods

ROLES = json.loads((Path(gateway.__file__).parent / "starter" / "roles.json").read_text())
# Permissions that no method asks for: a till may name its operator, a desk may see what is masked, a manager decides.
WITHIN_CALLS = {"operator.assert", "customer.personal.read", "ticketing.tickets.manage"}
# What is the administrator's alone.
ADMINISTRATION = {"gateway.api_keys.create", "gateway.api_keys.list", "gateway.api_keys.revoke"}


def permissions() -> set[str]:
    """List what public methods ask for, those of services that are not ours too."""
    public = (access(method) for method in methods())
    foreign = {rule.permission for rule in FOREIGN.values()}
    return {rule.permission for rule in public if rule.exposure == options_pb2.EXPOSURE_PUBLIC} | foreign


def test_every_public_method_is_served() -> None:
    """The gateway has a route to each public method of ours."""
    services = [service for file in CONTRACTS for service in file.DESCRIPTOR.services_by_name.values()]
    served = {route.method for route in RouteTable.of(services).routes}
    public = {
        f"/{method.containing_service.full_name}/{method.name}"
        for method in methods()
        if access(method).exposure == options_pb2.EXPOSURE_PUBLIC
    }
    assert public - served == set()


def test_roles_speak_of_permissions_that_there_are() -> None:
    """Each pattern of each starting role covers something, so that none is misspelt or left over."""
    known = permissions() | WITHIN_CALLS
    empty = [
        (role, one) for role, patterns in ROLES.items() for one in patterns if not any(covers((one,), k) for k in known)
    ]
    assert empty == []


def test_every_public_method_is_somebody_s_work() -> None:
    """Each permission but those of administration belongs to a role beside the administrator's."""
    patterns = tuple({one for role, patterns in ROLES.items() if role != "administrator" for one in patterns})
    assert {one for one in permissions() if not covers(patterns, one)} == ADMINISTRATION
