"""Where the processes of one system serve their metrics."""

import pytest

from domain.errors import UserError
from runtime.settings import load_settings
from runtime.system.metrics_ports import metrics_ports, metrics_url

NAMES = ["consumer", "worker-1", "worker-2"]


def ports_of(*, api=True, **given):
    return metrics_ports(load_settings(**given), NAMES, api=api)


@pytest.mark.parametrize("given", [{}, {"metrics_port": 0}])
def test_nobody_who_did_not_ask_gets_any(given):
    assert ports_of(**given, api_port=8080) == {}


def test_each_process_has_a_port_of_its_own_which_is_not_the_apis():
    assert ports_of(metrics_port=9000, api_port=9003) == {"consumer": 9000, "worker-1": 9001, "worker-2": 9002}
    assert ports_of(metrics_port=65_533)["worker-2"] == 65_535


@pytest.mark.parametrize(("api_port", "whose"), [(9000, "consumer"), (9002, "worker-2")])
def test_the_port_of_the_api_is_refused(api_port, whose):
    with pytest.raises(UserError, match=f"API_PORT={api_port} is the port of the {whose}'s metrics") as caught:
        ports_of(metrics_port=9000, api_port=api_port)
    assert "from 9000 to 9002" in caught.value.remedy
    assert ports_of(metrics_port=9000, api_port=api_port, api=False)


@pytest.mark.parametrize(
    ("metrics_host", "api_host", "refused"),
    [
        ("127.0.0.1", "192.0.2.1", False),
        ("::", "192.0.2.1", True),
        ("127.0.0.1", "::", True),
        ("localhost", "127.0.0.1", True),
    ],
)
def test_the_same_port_of_two_addresses_is_two_ports(metrics_host, api_host, refused):
    given = {"metrics_host": metrics_host, "api_host": api_host, "metrics_port": 9000, "api_port": 9000}
    if refused:
        with pytest.raises(UserError):
            ports_of(**given)
    else:
        assert ports_of(**given)


def test_a_range_that_does_not_end_is_refused_with_the_highest_first_port():
    with pytest.raises(UserError, match="65536") as caught:
        ports_of(metrics_port=65_534)
    assert "65533" in caught.value.remedy


def test_an_address_is_one_that_a_browser_takes():
    assert metrics_url(load_settings(metrics_host="::1"), 9000) == "http://[::1]:9000/metrics"
    assert metrics_url(load_settings(), 9000) == "http://127.0.0.1:9000/metrics"
