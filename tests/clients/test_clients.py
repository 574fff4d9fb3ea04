"""Tills in other languages: common tools on port 9090, with a till's key, before a suite as it runs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from google.rpc import error_details_pb2

from cli.api import Api
from cli.suite import ROOT, Suite

NODE = Path(__file__).parent / "node"
IMAGE = ROOT / "protos" / "gen" / "shuke.binpb"
# Where the library keeps the sources of Google's common messages.
PROTOS = Path(error_details_pb2.__file__).parents[2]
BUF = Path(sys.executable).with_name("buf")
OPERATOR = "E-7"


def sale(store: str) -> dict[str, Any]:
    """Write a sale at a store, settled."""
    amount = {"currencyCode": "CNY", "units": "58"}
    business_date = {"year": 2026, "month": 3, "day": 1}
    purchase = {
        "receipt": {"store": store, "terminal": "1", "businessDate": business_date, "receiptNo": "1001"},
        "businessTime": "2026-03-01T10:00:00+08:00",
        "lines": [{"lineNo": 1, "sku": "MUG-RED", "quantity": "2", "amount": amount}],
        "total": amount,
    }
    return {"purchase": purchase, "settled": True}


def till(suite: Suite, store: str) -> str:
    """Enter a store with an operator; answer the key of its till."""
    with closing(Api(suite.url)) as api:

        def post(path: str, body: dict[str, Any]) -> Any:
            return api.post(path, body, suite.admin_token)

        opening = {"year": 2020, "month": 1, "day": 1}
        post("/v1/stores", {"storeId": store, "store": {"displayName": store, "openingDate": opening}})
        member = {"displayName": OPERATOR, "stores": [f"stores/{store}"]}
        post("/v1/staff", {"staffId": f"{OPERATOR}-{store}", "staff": member})
        key = post("/v1/apiKeys", {"apiKey": {"kind": "TILL", "roles": ["till"], "stores": [store]}})
        return str(key["token"])


def printed(*command: str | Path, folder: Path) -> str:
    """Run a command to its good end; answer what it prints."""
    finished = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.mark.requirement("G-01")
@pytest.mark.whole
@pytest.mark.timeout(300)
def test_a_till_in_node_records_a_sale(live_suite: Suite, tmp_path: Path) -> None:
    """Node's common gRPC library records a sale, reads it back, and sees which field of the next is wrong, and why."""
    for name in (".npmrc", "package.json", "package-lock.json", "till.js"):
        shutil.copy(NODE / name, tmp_path)
    printed("npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", folder=tmp_path)
    key = till(live_suite, "NODE")
    caller = (live_suite.addresses["gateway"], key, f"{OPERATOR}-NODE", "NODE")
    shown = json.loads(printed("node", "till.js", *caller, IMAGE, PROTOS, folder=tmp_path))
    said = shown["refusal"].pop("said")
    assert shown == {
        "replayed": [False, True],
        "read": {"receipt": "1001", "units": "58", "operator": f"{OPERATOR}-NODE"},
        "refusal": {
            "code": "INVALID_ARGUMENT",
            "reason": "FIELDS_INVALID",
            "field": "purchase.lines[0].quantity",
            "fieldReason": "STRING_PATTERN",
        },
    }
    assert "quantity" in said


def test_the_lock_of_the_node_till_names_no_index() -> None:
    """What npm installs is pinned by its hash, and whoever installs it says from where."""
    packages = json.loads((NODE / "package-lock.json").read_text())["packages"]
    for path, package in packages.items():
        assert "resolved" not in package, path
        assert not path or package["integrity"], path


@pytest.mark.requirement("G-01")
@pytest.mark.timeout(300)
def test_buf_curl_records_a_sale(live_suite: Suite, tmp_path: Path) -> None:
    """A common tool that knows nothing of the suite records a sale, and the same again is a replay."""
    key = till(live_suite, "BUF")
    url = f"http://{live_suite.addresses['gateway']}/shuke.customer.v1.PurchaseService/RecordPurchase"
    headers = ("-H", f"authorization: Bearer {key}", "-H", f"x-operator: {OPERATOR}-BUF")
    told = ("-d", json.dumps(sale("BUF")))
    command = (BUF, "curl", "--protocol", "grpc", "--http2-prior-knowledge", *headers, url, *told)
    first, again = (json.loads(printed(*command, folder=tmp_path)) for _ in range(2))
    assert first["purchase"]["operator"] == f"{OPERATOR}-BUF"
    assert again == {**first, "replayed": True}
