"""tidings/security/egress.py"""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.domain.addresses import networks, port_ranges
from tidings.security.egress import Egress, loopback_egress, plain_webhook_egress, smtp_egress, webhook_egress
from tidings.settings import Settings

ANY = Egress()


def mapped(address: IPv4Address) -> str:
    return f"::ffff:{address}"


def behind_nat64(address: IPv4Address) -> str:
    return str(IPv6Address(int(IPv6Address("64:ff9b::")) | int(address)))


@pytest.mark.parametrize(
    "ip", ["8.8.8.8", "93.184.215.14", "::ffff:8.8.8.8", "2606:4700:4700::1111", "64:ff9b::8.8.8.8", "172.15.0.1"]
)
def test_public_addresses_are_open(ip: str) -> None:
    assert ANY.check(ip, 443) is None


@pytest.mark.parametrize(
    ("ip", "reason"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:7f00:1", "loopback"),
        ("64:ff9b::127.0.0.1", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("::", "unspecified"),
        ("10.0.0.1", "private"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("::ffff:192.168.1.1", "private"),
        ("64:ff9b::10.0.0.1", "private"),
        ("fc00::1", "private"),
        ("fd00:ec2::254", "private"),  # AWS's metadata
        ("fd20:ce::254", "private"),  # Google's
        ("fec0::1", "private"),
        ("169.254.169.254", "link-local"),  # everybody's metadata
        ("64:ff9b::169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("100.64.0.1", "shared"),
        ("100.100.100.200", "shared"),  # Alibaba's metadata
        ("168.63.129.16", "metadata"),
        ("::ffff:168.63.129.16", "metadata"),
        ("192.0.0.192", "reserved"),  # Oracle's metadata
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("::127.0.0.1", "tunnel"),
        ("::8.8.8.8", "tunnel"),
        ("2002:7f00:1::", "tunnel"),
        ("2002:808:808::1", "tunnel"),
        ("2001:0:7f00:1::", "tunnel"),
        ("64:ff9b:1::a00:1", "tunnel"),
        ("198.18.0.1", "reserved"),
        ("203.0.113.7", "reserved"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("2001:db8::1", "reserved"),
        ("100::1", "reserved"),
        ("4000::1", "reserved"),
    ],
)
def test_what_is_not_public_is_refused_with_its_kind(ip: str, reason: str) -> None:
    refusal = ANY.check(ip, 443)
    assert refusal is not None
    assert refusal.startswith(reason)


@pytest.mark.parametrize("ip", ["", "localhost", "127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "1.2.3", "::g"])
def test_what_is_no_address_is_refused(ip: str) -> None:
    assert ANY.check(ip, 443) == "not an IP address"


@pytest.mark.parametrize(
    ("port", "open_"), [(80, True), (443, True), (22, False), (1024, True), (65535, True), (0, False)]
)
def test_ports_are_those_of_the_list(port: int, open_: bool) -> None:
    egress = Egress(networks(["10.0.0.0/8"]), port_ranges(["80", "443", "1024-65535"]))
    for ip in ("8.8.8.8", "10.0.0.1"):
        assert (egress.check(ip, port) is None) is open_


def test_a_network_is_opened_with_all_ways_to_it() -> None:
    egress = Egress(networks(["10.1.0.0/16", "fd00:1::/32"]))
    for ip in ("10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "fd00:1::9"):
        assert egress.check(ip, 443) is None
    for ip in ("10.2.0.1", "::ffff:10.2.0.1", "fd00:2::9", "169.254.169.254"):
        assert egress.check(ip, 443) is not None


def test_loopback_is_open_to_the_operator_where_nothing_but_this_machine_is_involved() -> None:
    here = loopback_egress(Settings())
    there = loopback_egress(Settings(host="0.0.0.0"))
    elsewhere = loopback_egress(Settings(postgres_uri="postgres://db/tidings"))
    passed_on = loopback_egress(Settings(trusted_proxies=("127.0.0.1",)))
    for ip in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        assert here.check(ip, 8443) is None
        for closed in (there, elsewhere, passed_on):
            assert closed.check(ip, 8443) is not None
    for ip in ("10.0.0.1", "8.8.8.8"):
        assert here.check(ip, 8443) is not None


@pytest.mark.parametrize("make", [webhook_egress, plain_webhook_egress, smtp_egress])
def test_loopback_is_open_to_accounts_only_where_it_is_asked_for(make: Callable[[Settings], Egress]) -> None:
    asked = ("127.0.0.0/8",)
    for settings in (Settings(), Settings(registration="closed"), Settings(trust_this_machine=True)):
        assert make(settings).check("127.0.0.1", 8443) == "loopback address"
    assert make(Settings(webhook_allow_cidrs=asked, smtp_allow_cidrs=asked)).check("127.0.0.1", 8443) is None


def test_webhooks_and_mail_have_lists_of_their_own() -> None:
    settings = Settings(webhook_allow_cidrs=("10.0.0.0/8",), smtp_allow_cidrs=("192.168.0.0/16",))
    assert webhook_egress(settings).check("10.0.0.1", 443) is None
    assert webhook_egress(settings).check("192.168.0.1", 443) is not None
    assert webhook_egress(settings).check("8.8.8.8", 25) is not None
    assert smtp_egress(settings).check("192.168.0.1", 25) is None
    assert smtp_egress(settings).check("10.0.0.1", 25) is not None
    assert smtp_egress(settings).check("8.8.8.8", 22) is not None


@pytest.mark.parametrize("text", ["", "-", "http", "0", "65536", "80-", "-80", "90-80", "80-90-100", "８０-x", "+80"])
def test_what_is_no_range_of_ports_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither a port nor a range"):
        port_ranges([text])


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_the_same_however_it_is_written(address: IPv4Address) -> None:
    verdicts = {ANY.check(text, 443) for text in (str(address), mapped(address), behind_nat64(address))}
    assert len(verdicts) == 1


@given(st.ip_addresses())
def test_what_the_library_knows_as_internal_is_refused(address: IPv4Address | IPv6Address) -> None:
    """Python's own lists are older and shorter than ours, never stricter."""
    internal = (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address.is_reserved
    )
    real = getattr(address, "ipv4_mapped", None)
    if internal and real is None and address not in IPv6Network("64:ff9b::/96"):
        assert ANY.check(str(address), 443) is not None


@given(address=st.ip_addresses(v=4), other=st.ip_addresses(v=4), length=st.integers(0, 32))
def test_a_network_opens_what_is_in_it_and_nothing_else(address: IPv4Address, other: IPv4Address, length: int) -> None:
    network = IPv4Network((other, length), strict=False)
    for text in (str(address), mapped(address), behind_nat64(address)):
        verdict = Egress((network,)).check(text, 443)
        assert verdict == (None if address in network else ANY.check(text, 443))


def test_plain_http_goes_to_networks_of_ones_own_only() -> None:
    settings = Settings(host="0.0.0.0", secret_key="x" * 32, webhook_allow_cidrs=("10.1.0.0/16",))
    egress = plain_webhook_egress(settings)
    assert egress.check("10.1.2.3", 8080) is None
    assert egress.check("93.184.215.14", 80) == "public address"
    assert egress.check("10.2.0.1", 80) == "private address"
    assert egress.check("127.0.0.1", 9000) == "loopback address"
    assert egress.check("10.1.2.3", 22) == "port 22 is not open"
