"""Addresses that speak plain HTTP say so in tables; other formats keep the address as it is."""

from mooring.cli.extension import _address
from mooring.cli.serving import with_addresses_marked

ENDPOINT = {"scoring_uri": "http://r/api/v1/endpoint/e/score", "openapi_uri": "", "insecure": True}


def test_a_table_marks_the_address_and_json_does_not() -> None:
    assert with_addresses_marked(ENDPOINT, "table", None)["scoring_uri"].endswith("/score (plain HTTP)")
    assert with_addresses_marked(ENDPOINT, "json", None) == ENDPOINT == with_addresses_marked(ENDPOINT, "table", "scoring_uri")
    assert with_addresses_marked(ENDPOINT | {"insecure": False}, "table", None)["scoring_uri"].endswith("/score")


def test_the_router_says_it_too_where_plain_http_answers_beside_tls() -> None:
    router = {"base_url": "http://r", "insecure": True, "plain_http": True, "reason": ""}
    assert _address(router) == "http://r (plain HTTP)"
    assert _address(router | {"base_url": "https://r", "insecure": False}) == "https://r (plain HTTP, too)"
    assert _address(router | {"base_url": None, "reason": "not there yet"}) == "not there yet"
