"""SOLICIT and ADVERTISE, Rapid Commit (RFC 9915 18.3.1, 18.3.9)."""

import config
import dhcp6
from dhcp6 import ADVERTISE, REBIND, REPLY, REQUEST, SOLICIT
from suite import Client, Direct, Relay, check, echo_ias, expect, ia_with


@check("solicit-gets-advertise", "RFC 9915 18.3.1",
       "A valid Solicit is answered with an Advertise that offers an address of the link.")
def solicit_advertise(env):
    for path in (Direct(), Relay()):
        answer = Client(env, path).solicit(dhcp6.ia_na(0xCAFE0001))
        ia = answer.na(0xCAFE0001)
        expect(ia and len(ia.live()) == 1, f"{answer}")


@check("advertise-prefix", "RFC 9915 18.3.9",
       "An Advertise offers a prefix for an IA_PD.")
def advertise_prefix(env):
    for path in (Direct(), Relay()):
        ia = Client(env, path).solicit(dhcp6.ia_pd(0xCAFE0002)).pd(0xCAFE0002)
        expect(ia and len(ia.live()) == 1 and ia.live()[0].length == 56, f"{ia}")


@check("advertise-address-and-prefix", "RFC 7550 4.1",
       "One Advertise answers IA_NA and IA_PD of one Solicit together.")
def advertise_both(env):
    answer = Client(env).solicit(dhcp6.ia_na(1), dhcp6.ia_pd(1))
    expect(answer.na(1).live() and answer.pd(1).live(), f"{answer}")


@check("advertise-several-ia-na", "RFC 9915 18.3.9",
       "Several IA_NAs of one Solicit each get an address of their own.")
def advertise_several_na(env):
    answer = Client(env).solicit(*[dhcp6.ia_na(iaid) for iaid in (1, 2, 0xFFFFFFFF)])
    for iaid in (1, 2, 0xFFFFFFFF):
        expect(answer.na(iaid) and answer.na(iaid).live(), f"IAID {iaid}: {answer}")
    expect(len(set(answer.live_keys())) == 3, f"{answer}")


@check("advertise-several-ia-pd", "RFC 9915 18.3.9",
       "Several IA_PDs of one Solicit each get a prefix of their own.")
def advertise_several_pd(env):
    answer = Client(env).solicit(*[dhcp6.ia_pd(iaid) for iaid in (1, 2, 3)])
    expect(len(set(answer.live_keys())) == 3, f"{answer}")


@check("offer-is-what-request-gets", "RFC 9915 18.3.9",
       "The Advertise holds the leases that the following Request is given.")
def offer_kept(env):
    client = Client(env)
    offer = client.solicit(dhcp6.ia_na(1), dhcp6.ia_pd(1))
    answer = client.ask(REQUEST, dhcp6.ia_na(1, dhcp6.iaaddr(offer.na(1).keys()[0])),
                        dhcp6.ia_pd(1, dhcp6.iaprefix(offer.pd(1).keys()[0])))
    expect(answer.live_keys() == offer.live_keys(), f"offered {offer}, given {answer}")


@check("same-offer-on-repeated-solicit", "RFC 9915 18.3.9",
       "A client that repeats its Solicit is offered the same leases.")
def same_offer(env):
    client = Client(env)
    first = client.solicit(dhcp6.ia_na(1), dhcp6.ia_pd(1))
    second = client.solicit(dhcp6.ia_na(1), dhcp6.ia_pd(1))
    expect(first.live_keys() == second.live_keys(), f"{first}, then {second}")


@check("bound-client-is-offered-its-lease", "RFC 9915 18.3.9",
       "A client with a binding is offered the same leases again.")
def bound_offer(env):
    client = Client(env)
    key, prefix = client.lease(), client.delegate()
    offer = client.solicit(dhcp6.ia_na(1), dhcp6.ia_pd(1))
    expect(offer.na(1).keys() == [key] and offer.pd(1).keys() == [prefix], f"{offer}")


@check("solicit-commits-nothing", "RFC 9915 18.3.1",
       "An Advertise binds nothing: a RELEASE of the offer finds no binding.")
def solicit_commits_nothing(env):
    client = Client(env)
    key = client.solicit(dhcp6.ia_na(1)).na(1).keys()[0]
    ia = client.release(ia_with(key)).na(1)
    expect(ia and ia.status() == dhcp6.NO_BINDING, f"the RELEASE found {ia}")


@check("advertise-noaddrsavail", "RFC 9915 18.3.9",
       "No address to offer: the IA_NA comes back empty with NoAddrsAvail, in an Advertise.")
def advertise_noaddrs(env):
    answer = Client(env, Relay(config.NO_ADDRESSES)).solicit(dhcp6.ia_na(5))
    ia = answer.na(5)
    expect(ia and not ia.leases and ia.status() == dhcp6.NO_ADDRS_AVAIL, f"{answer}")


@check("advertise-noprefixavail", "RFC 9915 18.3.9",
       "No prefix to offer: the IA_PD comes back empty with NoPrefixAvail, in an Advertise.")
def advertise_noprefix(env):
    answer = Client(env, Relay(config.NO_PREFIXES)).solicit(dhcp6.ia_pd(5))
    ia = answer.pd(5)
    expect(ia and not ia.leases and ia.status() == dhcp6.NO_PREFIX_AVAIL, f"{answer}")


@check("advertise-status-in-ia-not-message", "RFC 7550 4.1",
       "NoAddrsAvail and NoPrefixAvail stand in the IAs, never at the top of an Advertise.")
def advertise_no_top_status(env):
    for link, option in ((config.NO_ADDRESSES, dhcp6.ia_na(1)),
                         (config.NO_PREFIXES, dhcp6.ia_pd(1))):
        answer = Client(env, Relay(link)).solicit(option)
        expect(answer.status() == dhcp6.SUCCESS, f"top-level status {answer.status()}")


@check("solicit-unspecified-hint", "RFC 9915 21.6",
       "An IA Address of :: is no hint for an address: an ordinary one is offered.")
def unspecified_hint(env):
    ia = Client(env).solicit(ia_with("::")).na(1)
    expect(len(ia.live()) == 1 and ia.live()[0].address in config.MAIN.subnet, f"{ia}")


@check("advertise-partial", "RFC 7550 4.1",
       "What can be offered is offered beside the IA that gets nothing.")
def advertise_partial(env):
    answer = Client(env, Relay(config.NO_ADDRESSES)).solicit(dhcp6.ia_na(1), dhcp6.ia_pd(1))
    expect(answer.na(1).status() == dhcp6.NO_ADDRS_AVAIL and answer.pd(1).live(), f"{answer}")
    answer = Client(env, Relay(config.NO_PREFIXES)).solicit(dhcp6.ia_na(1), dhcp6.ia_pd(1))
    expect(answer.pd(1).status() == dhcp6.NO_PREFIX_AVAIL and answer.na(1).live(), f"{answer}")


@check("sol-max-rt-without-leases", "RFC 9915 21.24",
       "SOL_MAX_RT comes if asked for, also in an Advertise without any lease.")
def sol_max_rt_no_leases(env):
    answer = Client(env, Relay(config.NO_ADDRESSES)).solicit(dhcp6.ia_na(1))
    expect(answer.options.one(dhcp6.SOL_MAX_RT) == (4711).to_bytes(4, "big"), f"{answer}")


@check("no-preference-by-default", "RFC 9915 18.3.9",
       "The preference is 0 unless configured: absent or 0.")
def no_preference(env):
    data = Client(env).solicit(dhcp6.ia_na(1)).options.one(dhcp6.PREFERENCE)
    expect(data in (None, b"\0"), f"preference {data}")


@check("preference-of-link", "RFC 9915 21.8",
       "A configured preference is sent in the Advertise, one octet, and not in the Reply.")
def preference(env):
    client = Client(env, Relay(config.PREFERENCE))
    offer = client.solicit(dhcp6.ia_na(1))
    data = offer.options.one(dhcp6.PREFERENCE)
    expect(data == b"\xc8", f"preference {data}")
    answer = client.ask(REQUEST, *echo_ias(offer))
    expect(not answer.options.has(dhcp6.PREFERENCE), f"{answer}")


@check("solicit-address-hint", "RFC 9915 18.3.9",
       "A free address of the link given as hint is offered (or another one, never two).")
def address_hint(env):
    hint = str(config.MAIN.subnet[0x12345678])
    ia = Client(env).solicit(ia_with(hint)).na(1)
    expect(len(ia.live()) == 1, f"{ia}")


def _refused_hint(env, path, hint):
    answer = Client(env, path).solicit(ia_with(hint))
    leases = [lease.key for ia in answer.ias for lease in ia.leases]
    expect(hint not in leases, f"the hint {hint} is in {answer}")
    expect(answer.live_keys(), f"nothing offered instead: {answer}")


@check("refused-hint-off-link", "RFC 9915 18.3.9",
       "An address hint of another link does not appear in the Advertise.")
def hint_off_link(env):
    _refused_hint(env, Relay(), str(config.RAPID.subnet[0x777]))
    _refused_hint(env, Direct(), str(config.RAPID.subnet[0x777]))


@check("refused-hint-taken", "RFC 9915 18.3.9",
       "An address hint that another client holds does not appear in the Advertise.")
def hint_taken(env):
    _refused_hint(env, Relay(), Client(env).lease())


@check("refused-prefix-hint-off-link", "RFC 9915 18.3.9",
       "A prefix hint outside the link's pools does not appear in the Advertise.")
def prefix_hint_off_link(env):
    _refused_hint(env, Relay(), "2001:db8:9900:100::/56")


@check("refused-prefix-hint-taken", "RFC 9915 18.3.9",
       "A prefix hint that another client holds does not appear in the Advertise.")
def prefix_hint_taken(env):
    _refused_hint(env, Relay(), Client(env).delegate())


@check("reserved-iid-not-assigned", "RFC 9915 13.1",
       "Addresses with reserved interface identifiers are not offered even as hints.")
def reserved_iid(env):
    for iid in (0, 0x02005EFFFE005213, 0xFDFFFFFFFFFFFFFE, 0xFDFFFFFFFFFFFF80):
        _refused_hint(env, Relay(), str(config.MAIN.subnet[iid]))


@check("relay-address-not-assigned", "RFC 9915 13.1",
       "The relay agent's own address is not given to a client.")
def relay_address(env):
    _refused_hint(env, Relay(), str(config.MAIN.relay))


@check("addresses-unpredictable", "RFC 9915 13.1",
       "Addresses of successive clients do not follow a constant step.")
def unpredictable(env):
    values = [int(dhcp6.address(Client(env).solicit(dhcp6.ia_na(1)).na(1).keys()[0]))
              for _ in range(8)]
    steps = {b - a for a, b in zip(values, values[1:])}
    expect(len(steps) > 2, f"steps {sorted(steps)}")


@check("solicit-without-ia", "RFC 9915 18.3.1",
       "A Solicit without IAs is valid: it is answered with an Advertise without IAs.")
def solicit_without_ia(env):
    answer = Client(env).solicit(oro=(dhcp6.DNS_SERVERS,))
    expect(not answer.ias and answer.options.has(dhcp6.DNS_SERVERS), f"{answer}")


# ---- Rapid Commit -------------------------------------------------------------------------------

@check("rapid-commit-off", "RFC 9915 18.3.1",
       "Where Rapid Commit is not configured, a Solicit with it gets an Advertise without it.")
def rapid_off(env):
    for path in (Direct(), Relay()):
        answer = Client(env, path).ask(SOLICIT, dhcp6.rapid_commit(), dhcp6.ia_na(1))
        expect(answer.kind == ADVERTISE and not answer.options.has(dhcp6.RAPID_COMMIT), f"{answer}")


@check("rapid-commit-on", "RFC 9915 18.3.1",
       "Where it is configured, a Solicit with Rapid Commit gets a Reply with Rapid Commit.")
def rapid_on(env):
    for path in (Direct(config.DIRECT_RAPID), Relay(config.RAPID)):
        answer = Client(env, path).ask(SOLICIT, dhcp6.rapid_commit(), dhcp6.ia_na(1),
                                       dhcp6.ia_pd(1))
        expect(answer.kind == REPLY and answer.options.one(dhcp6.RAPID_COMMIT) == b"", f"{answer}")
        expect(answer.na(1).live() and answer.pd(1).live(), f"{answer}")


@check("rapid-commit-commits", "RFC 9915 18.3.1",
       "The leases of a Rapid Commit Reply are bound: they can be renewed and are found again.")
def rapid_commits(env):
    client = Client(env, Relay(config.RAPID))
    answer = client.ask(SOLICIT, dhcp6.rapid_commit(), dhcp6.ia_na(1), dhcp6.ia_pd(1))
    key, prefix = answer.na(1).keys()[0], answer.pd(1).keys()[0]
    expect(client.release(ia_with(key), ia_with(prefix)).ias == [],
           "a RELEASE did not find the bindings")


@check("rapid-commit-repeated", "RFC 9915 18.3.2",
       "A repeated Solicit with Rapid Commit gets the same leases.")
def rapid_repeated(env):
    client = Client(env, Relay(config.RAPID))
    ask = [SOLICIT, dhcp6.rapid_commit(), dhcp6.ia_na(1), dhcp6.ia_pd(1)]
    first, second = client.ask(*ask), client.ask(*ask)
    expect(first.live_keys() == second.live_keys(), f"{first}, then {second}")


@check("rapid-commit-not-asked", "RFC 9915 18.3.1",
       "Where it is configured, a Solicit without Rapid Commit still gets an Advertise.")
def rapid_not_asked(env):
    for path in (Direct(config.DIRECT_RAPID), Relay(config.RAPID)):
        Client(env, path).solicit(dhcp6.ia_na(1))


@check("rapid-commit-nothing-available", "RFC 9915 18.3.2",
       "A Rapid Commit Reply says NoPrefixAvail in an IA_PD it cannot serve.")
def rapid_nothing(env):
    client = Client(env, Relay(config.RAPID_NO_PREFIXES))
    answer = client.ask(SOLICIT, dhcp6.rapid_commit(), dhcp6.ia_na(1), dhcp6.ia_pd(1))
    expect(answer.na(1).live(), f"{answer}")
    expect(answer.pd(1).status() == dhcp6.NO_PREFIX_AVAIL, f"{answer}")


@check("rapid-commit-in-rebind-ignored", "RFC 9915 21.14",
       "Rapid Commit is an option of Solicit and its Reply only.")
def rapid_in_rebind(env):
    client = Client(env, Relay(config.RAPID))
    key = client.lease()
    answer = client.survives(client.build(REBIND, ia_with(key), dhcp6.rapid_commit()))
    expect(answer is None or not answer.options.has(dhcp6.RAPID_COMMIT), f"{answer}")
