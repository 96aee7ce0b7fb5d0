"""Prefix delegation: length hints (RFC 8168), Prefix Exclude (RFC 6603)."""

import ipaddress

import config
import dhcp6
from dhcp6 import RELEASE, REQUEST
from suite import Client, Relay, check, expect, ia_with


def _length(env, *hints, client=None):
    """Length of the prefix offered on the link with pools of /48, /56, /60 and /64."""
    client = client or Client(env, Relay(config.HINTS))
    ia = client.solicit(dhcp6.ia_pd(1, *[dhcp6.iaprefix(hint) for hint in hints])).pd(1)
    expect(ia and len(ia.live()) >= 1, f"{ia}")
    return ia.live()[0].length


def _hint(asked, given):
    kind = "exactly that length" if asked == given else f"the next shorter length, /{given}"

    @check(f"prefix-hint-{asked}", "RFC 8168 3.2", f"A hint of ::/{asked} gets {kind}.")
    def hint(env):
        have = _length(env, f"::/{asked}")
        expect(have == given, f"got a /{have}")


for _asked, _given in ((48, 48), (56, 56), (60, 60), (64, 64), (52, 48), (58, 56), (63, 60)):
    _hint(_asked, _given)


@check("prefix-hint-too-short", "RFC 8168 3.2",
       "A hint of ::/40, which no pool can meet: a longer prefix or NoPrefixAvail.")
def too_short(env):
    ia = Client(env, Relay(config.HINTS)).solicit(dhcp6.ia_pd(1, dhcp6.iaprefix("::/40"))).pd(1)
    expect(ia and (ia.live() or ia.status() == dhcp6.NO_PREFIX_AVAIL), f"{ia}")


@check("prefix-hint-in-request", "RFC 8168 3.2",
       "A length hint counts in a Request too; the prefix given is bound.")
def hint_in_request(env):
    client = Client(env, Relay(config.HINTS))
    ia = client.ask(REQUEST, dhcp6.ia_pd(1, dhcp6.iaprefix("::/60"))).pd(1)
    expect(ia.live() and ia.live()[0].length == 60, f"{ia}")
    expect(client.holds(ia.keys()[0]), "the prefix is not bound")


@check("prefix-hint-before-history", "RFC 8168 3.2",
       "A length hint outweighs the prefix the client held before.")
def before_history(env):
    client = Client(env, Relay(config.HINTS))
    key = client.delegate(1, dhcp6.iaprefix("::/56"))
    client.ask(RELEASE, ia_with(key))
    have = _length(env, "::/60", client=client)
    expect(have == 60, f"held {key}, asked for ::/60, offered a /{have}")


@check("prefix-hint-before-binding", "RFC 8168 3.2",
       "A length hint in a Solicit outweighs the prefix the client still holds, which stays bound.")
def before_binding(env):
    client = Client(env, Relay(config.HINTS))
    key = client.delegate(1, dhcp6.iaprefix("::/56"))
    have = _length(env, "::/60", client=client)
    expect(have == 60, f"holds {key}, asked for ::/60, offered a /{have}")
    expect(client.holds(key), "the prefix it held is gone")


@check("prefix-hint-specific", "RFC 8168 3.2",
       "A hint of a prefix that is free gets that prefix.")
def specific(env):
    for hint in ("2001:db8:1901:700::/56", "2001:db8:1911:70::/60"):
        ia = Client(env, Relay(config.HINTS)).solicit(ia_with(hint)).pd(1)
        expect(ia.keys() == [hint], f"asked for {hint}: {ia}")


@check("prefix-hint-specific-request", "RFC 8168 3.2",
       "A Request for a free prefix gets that prefix, and it is bound.")
def specific_request(env):
    client, hint = Client(env, Relay(config.HINTS)), "2001:db8:1902:800::/56"
    ia = client.ask(REQUEST, ia_with(hint)).pd(1)
    expect(ia.keys() == [hint], f"{ia}")
    expect(client.holds(hint), "the prefix is not bound")


@check("prefix-hint-specific-taken", "RFC 8168 3.2",
       "A hint of a taken prefix and a length hint beside it: another prefix of that length.")
def specific_taken(env):
    taken = Client(env, Relay(config.HINTS)).delegate(1, dhcp6.iaprefix("::/60"))
    ia = Client(env, Relay(config.HINTS)).solicit(
        dhcp6.ia_pd(1, dhcp6.iaprefix(taken), dhcp6.iaprefix("::/60"))).pd(1)
    expect(ia.live() and taken not in ia.keys() and ia.live()[0].length == 60, f"{ia}")


@check("prefix-hint-host-bits", "RFC 9915 21.22",
       "A hint with bits set behind its length yields a clean prefix.")
def host_bits(env):
    client = Client(env, Relay(config.HINTS))
    ia = client.solicit(ia_with("2001:db8:1901:7ff::1/56")).pd(1)
    expect(ia.live(), f"{ia}")
    ia.live()[0].network()


@check("prefix-hint-of-unpooled-length", "RFC 9915 18.3.9",
       "A prefix inside a pool but of another length is not delegated as such.")
def unpooled_length(env):
    hint = "2001:db8:1901:700::/58"
    ia = Client(env, Relay(config.HINTS)).solicit(ia_with(hint)).pd(1)
    expect(ia.live() and hint not in ia.keys(), f"{ia}")


@check("prefix-hint-none", "RFC 9915 18.3.9", "Without a hint some prefix of the link is delegated.")
def none(env):
    expect(_length(env) in (48, 56, 60, 64), "no prefix")


@check("prefix-hint-zero", "RFC 9915 21.22", "A hint of ::/0 is no hint: some prefix is delegated.")
def zero(env):
    expect(_length(env, "::/0") in (48, 56, 60, 64), "no prefix")


@check("prefix-hint-in-renew", "RFC 8168 3.5",
       "A Renew with old prefix and length hint: a live prefix, and the old one not silently lost.")
def in_renew(env):
    client = Client(env, Relay(config.HINTS))
    key = client.delegate(1, dhcp6.iaprefix("::/64"))
    ia = client.renew(dhcp6.ia_pd(1, dhcp6.iaprefix(key), dhcp6.iaprefix("::/56"))).pd(1)
    expect(ia and ia.live(), f"{ia}")
    for lease in ia.live():
        expect(lease.key == key or lease.length == 56, f"{ia}")
    expect(all(client.holds(lease) for lease in ia.keys()), "not all of it is bound")


@check("prefix-several-ias-hints", "RFC 8168 3.2", "Each IA_PD of a message has its own hint.")
def several(env):
    answer = Client(env, Relay(config.HINTS)).solicit(
        dhcp6.ia_pd(1, dhcp6.iaprefix("::/60")), dhcp6.ia_pd(2, dhcp6.iaprefix("::/48")),
        dhcp6.ia_pd(3, dhcp6.iaprefix("::/64")))
    have = [answer.pd(iaid).live()[0].length for iaid in (1, 2, 3)]
    expect(have == [60, 48, 64], f"{have}")


@check("prefixes-do-not-overlap", "RFC 9915 18.3.2",
       "Prefixes of different clients and lengths do not overlap.")
def no_overlap(env):
    networks = []
    for length in (48, 56, 60, 64) * 3:
        key = Client(env, Relay(config.HINTS)).delegate(1, dhcp6.iaprefix(f"::/{length}"))
        networks.append(ipaddress.IPv6Network(key))
    for index, network in enumerate(networks):
        for other in networks[:index]:
            expect(not network.overlaps(other), f"{network} overlaps {other}")


# ---- Prefix Exclude -----------------------------------------------------------------------------

def _exclude_of(lease):
    """The excluded prefix of an IA Prefix, decoded from its Prefix Exclude option, and the data."""
    data = lease.options.one(dhcp6.PD_EXCLUDE)
    if data is None:
        return None, None
    expect(len(data) >= 2, f"Prefix Exclude of {len(data)} octets")
    length = data[0]
    expect(lease.length < length <= 128, f"excluded length {length} in a /{lease.length}")
    size = (length - lease.length - 1) // 8 + 1
    expect(len(data) == 1 + size, f"subnet id of {len(data) - 1} octets instead of {size}")
    subnet = int.from_bytes(data[1:], "big")
    bits = int(lease.address) | subnet << (128 - lease.length - 8 * size)
    return ipaddress.IPv6Network((bits, length)), data


@check("pd-exclude-when-asked", "RFC 6603 4.2",
       "With 67 in the ORO the IA Prefix holds the excluded prefix, encoded as defined.")
def exclude_asked(env):
    client = Client(env, Relay(config.PD_EXCLUDED), oro=(dhcp6.PD_EXCLUDE,))
    for answer in (client.solicit(dhcp6.ia_pd(1)), client.ask(REQUEST, dhcp6.ia_pd(1)),
                   client.renew(dhcp6.ia_pd(1))):
        lease = answer.pd(1).live()[0]
        network, data = _exclude_of(lease)
        expect(network is not None, f"no Prefix Exclude in {answer.name}")
        expect(data == bytes([config.PD_EXCLUDE_LENGTH, config.PD_EXCLUDE_SUBNET]), data.hex())
        expect(network.subnet_of(lease.network()), f"{network} is not in {lease.key}")


@check("pd-exclude-not-asked", "RFC 6603 5.2", "Without 67 in the ORO there is no Prefix Exclude.")
def exclude_not_asked(env):
    client = Client(env, Relay(config.PD_EXCLUDED), oro=(dhcp6.DNS_SERVERS,))
    lease = client.obtain(dhcp6.ia_pd(1)).pd(1).live()[0]
    expect(not lease.options.has(dhcp6.PD_EXCLUDE), f"{lease.options}")


@check("pd-exclude-inside-prefix-only", "RFC 6603 4.2",
       "Prefix Exclude stands in the IA Prefix, not in the message nor in the IA.")
def exclude_place(env):
    client = Client(env, Relay(config.PD_EXCLUDED), oro=(dhcp6.PD_EXCLUDE,))
    answer = client.obtain(dhcp6.ia_pd(1))
    expect(not answer.options.has(dhcp6.PD_EXCLUDE), "in the message")
    expect(not answer.pd(1).options.has(dhcp6.PD_EXCLUDE), "in the IA")


@check("pd-exclude-new-in-release", "RFC 6603 6.2",
       "A Release that names another excluded prefix gets NoBinding for that IA_PD.")
def exclude_release(env):
    client = Client(env, Relay(config.PD_EXCLUDED), oro=(dhcp6.PD_EXCLUDE,))
    key = client.delegate()
    other = dhcp6.option(dhcp6.PD_EXCLUDE, bytes([config.PD_EXCLUDE_LENGTH, 7]))
    ia = client.ask(RELEASE, dhcp6.ia_pd(1, dhcp6.iaprefix(key, other))).pd(1)
    expect(ia is not None and ia.status() == dhcp6.NO_BINDING, f"{ia}")


@check("pd-exclude-same-in-release", "RFC 6603 6.2",
       "A Release that names the same excluded prefix is carried out.")
def exclude_release_same(env):
    client = Client(env, Relay(config.PD_EXCLUDED), oro=(dhcp6.PD_EXCLUDE,))
    key = client.delegate()
    same = dhcp6.option(dhcp6.PD_EXCLUDE,
                        bytes([config.PD_EXCLUDE_LENGTH, config.PD_EXCLUDE_SUBNET]))
    answer = client.ask(RELEASE, dhcp6.ia_pd(1, dhcp6.iaprefix(key, same)))
    expect(answer.ias == [], f"{answer}")
