"""Reservations and client classes: information of client and relay as policy input (RFC 9915 13.1)."""

import ipaddress

import config
import dhcp6
from dhcp6 import REQUEST
from suite import Client, Relay, check, expect, ia_with


def _reserved_client(env, key, named=True):
    """A client that the reservation by `key` is for, or else one like it with another name."""
    tail = b"" if named else b"x"
    options = {
        "link-layer": [dhcp6.client_linklayer(config.RESERVED_MAC if named
                                              else b"\x02\xc1\xaa\0\0\x09")],
        "remote-id": [dhcp6.remote_id(config.RESERVED_REMOTE[0],
                                      config.RESERVED_REMOTE[1] + tail)],
        "interface-id": [dhcp6.option(dhcp6.INTERFACE_ID, config.RESERVED_INTERFACE + tail)],
        "subscriber-id": [dhcp6.option(dhcp6.SUBSCRIBER_ID, config.RESERVED_SUBSCRIBER + tail)],
    }.get(key, [])
    duid = None if key != "duid" else config.RESERVED_DUID + tail
    return Client(env, Relay(config.RESERVED, options=options), duid=duid,
                  oro=(dhcp6.DNS_SERVERS,))


def _reservation(key, clause):
    _, addr, prefix = config.RESERVATIONS[key]

    @check(f"reservation-by-{key}", clause,
           f"A client known by its {key} is offered and given the address and prefix kept for it.")
    def given(env):
        client = _reserved_client(env, key)
        offer = client.solicit(dhcp6.ia_na(1), dhcp6.ia_pd(1))
        expect(offer.live_keys() == [addr, prefix], f"{offer}")
        answer = client.ask(REQUEST, ia_with(addr), ia_with(prefix))
        expect(answer.live_keys() == [addr, prefix], f"{answer}")
        expect(client.holds(addr) and client.holds(prefix), "the leases were not renewed")
        client.release(ia_with(addr), ia_with(prefix))

    @check(f"reservation-by-{key}-exact", clause,
           f"Another {key} does not get them, even if it asks for them.")
    def exact(env):
        client = _reserved_client(env, key, named=False)
        answer = client.ask(REQUEST, ia_with(addr), ia_with(prefix))
        keys = answer.live_keys()
        expect(addr not in keys and prefix not in keys, f"{answer}")


for _key, _clause in (("duid", "RFC 9915 13.1"), ("link-layer", "RFC 6939 6"),
                      ("remote-id", "RFC 4649 5"), ("interface-id", "RFC 9915 21.18"),
                      ("subscriber-id", "RFC 4580 4")):
    _reservation(_key, _clause)


@check("reservation-options", "RFC 9915 18.3", "A reservation's own options come before the link's.")
def reservation_options(env):
    client = _reserved_client(env, "duid")
    data = client.solicit(dhcp6.ia_na(1)).options.one(dhcp6.DNS_SERVERS)
    expect(data == dhcp6.packed(config.RESERVED_DNS), f"{data}")
    data = _reserved_client(env, "link-layer").solicit(dhcp6.ia_na(1)).options.one(
        dhcp6.DNS_SERVERS)
    expect(data == dhcp6.packed("2001:db8::53"), f"{data}")


@check("reservation-not-for-others", "RFC 9915 13.1",
       "Nobody else on the link is given what is reserved.")
def not_for_others(env):
    for _, addr, prefix in config.RESERVATIONS.values():
        answer = Client(env, Relay(config.RESERVED)).ask(REQUEST, ia_with(addr), ia_with(prefix))
        keys = answer.live_keys()
        expect(addr not in keys and prefix not in keys, f"{answer}")


@check("reservation-second-ia", "RFC 9915 12",
       "A second IA of a client with a reservation does not get the same address.")
def second_ia(env):
    client = _reserved_client(env, "duid")
    answer = client.solicit(dhcp6.ia_na(1), dhcp6.ia_na(2))
    expect(len(set(answer.live_keys())) == len(answer.live_keys()), f"{answer}")


# ---- classes ------------------------------------------------------------------------------------

def _class_lease(env, extra, hint=None):
    client = Client(env, Relay(config.CLASSES), extra=extra, oro=(dhcp6.DNS_SERVERS,))
    answer = client.ask(REQUEST, ia_with(hint) if hint else dhcp6.ia_na(1))
    ia = answer.na(1)
    expect(ia and len(ia.live()) == 1, f"{ia}")
    return answer, ia, ia.live()[0]


def _within(lease, pool):
    return lease.address in ipaddress.IPv6Network(pool, strict=False)


MODEM = [dhcp6.vendor_class(config.ENTERPRISE, config.VENDOR_CLASS_DATA)]


@check("class-vendor-pool", "RFC 9915 21.16", "A Vendor Class selects the pool of its class.")
def vendor_pool(env):
    _, _, lease = _class_lease(env, MODEM)
    expect(_within(lease, config.VENDOR_POOL), f"{lease}")


@check("class-vendor-lifetimes", "RFC 9915 21.16", "A class may have lifetimes, T1 and T2 of its own.")
def vendor_lifetimes(env):
    _, ia, lease = _class_lease(env, MODEM)
    want = config.CLASS_LIFETIMES
    expect((lease.preferred, lease.valid, ia.t1, ia.t2) ==
           (want["preferred_s"], want["valid_s"], want["renew_s"], want["rebind_s"]), f"{ia}")


@check("class-vendor-options", "RFC 9915 21.16", "A class may have options of its own.")
def vendor_options(env):
    answer, _, _ = _class_lease(env, MODEM)
    data = answer.options.one(dhcp6.DNS_SERVERS)
    expect(data == dhcp6.packed(config.CLASS_DNS), f"{data}")


@check("class-vendor-second-instance", "RFC 9915 21.16",
       "The Vendor Class of the right enterprise counts, also after another enterprise's.")
def vendor_second(env):
    _, _, lease = _class_lease(env, [dhcp6.vendor_class(9, b"other")] + MODEM)
    expect(_within(lease, config.VENDOR_POOL), f"{lease}")


@check("class-vendor-other-enterprise", "RFC 9915 21.16",
       "The same data under another enterprise number is another class.")
def vendor_other(env):
    answer, _, lease = _class_lease(env, [dhcp6.vendor_class(9, config.VENDOR_CLASS_DATA)])
    expect(_within(lease, config.PLAIN_POOL), f"{lease}")
    expect(answer.options.one(dhcp6.DNS_SERVERS) == dhcp6.packed("2001:db8::53"), f"{answer}")


@check("class-user-pool", "RFC 9915 21.15", "A User Class selects the pool of its class.")
def user_pool(env):
    _, _, lease = _class_lease(env, [dhcp6.user_class(config.USER_CLASS_DATA)])
    expect(_within(lease, config.USER_POOL), f"{lease}")


@check("class-user-other", "RFC 9915 21.15", "Another User Class does not.")
def user_other(env):
    for data in (b"busines", b"businessx", b"BUSINESS"):
        _, _, lease = _class_lease(env, [dhcp6.user_class(data)])
        expect(_within(lease, config.PLAIN_POOL), f"{data}: {lease}")


@check("class-pool-guarded", "RFC 9915 13.1",
       "A client outside the class does not get an address of its pool, even if it asks for it.")
def guarded(env):
    for hint in ("2001:db8:41::a:77", "2001:db8:41::b:77"):
        _, _, lease = _class_lease(env, [], hint)
        expect(_within(lease, config.PLAIN_POOL), f"asked for {hint}: {lease}")
