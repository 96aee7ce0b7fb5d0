"""RENEW, REBIND and CONFIRM (RFC 9915 18.3.3 to 18.3.5)."""

import config
import dhcp6
from dhcp6 import CONFIRM, REBIND, REPLY, REQUEST
from suite import Client, Direct, Relay, check, expect, ia_with

OFF_LINK = str(config.RAPID.subnet[0x999])
OFF_LINK_PREFIX = "2001:db8:9900:100::/56"


def dead(ia, key):
    """The lease is in the IA with lifetimes of 0."""
    lease = ia.find(key) if ia else None
    return lease is not None and lease.valid == 0 and lease.preferred == 0


def not_given(answer, key):
    expect(answer is None or key not in answer.live_keys(), f"{key} was given: {answer}")


# ---- RENEW --------------------------------------------------------------------------------------

@check("renew-extends", "RFC 9915 18.3.4",
       "A Renew of a known lease returns it with new lifetimes, T1 and T2.")
def renew_extends(env):
    for path in (Direct(), Relay()):
        client = Client(env, path)
        key, prefix = client.lease(), client.delegate()
        answer = client.renew(ia_with(key), ia_with(prefix))
        expect(answer.kind == REPLY, f"{answer}")
        for ia, want in ((answer.na(1), key), (answer.pd(1), prefix)):
            lease = ia.find(want)
            expect(lease and (lease.preferred, lease.valid) ==
                   (config.PREFERRED_S, config.VALID_S), f"{ia}")
            expect((ia.t1, ia.t2) == (config.RENEW_S, config.REBIND_S), f"{ia}")


@check("renew-without-addresses", "RFC 9915 18.3.4",
       "A Renew of a known IA that names no lease is still answered with the IA and its lease.")
def renew_empty(env):
    client = Client(env)
    key = client.lease()
    ia = client.renew(dhcp6.ia_na(1)).na(1)
    expect(ia and key in ia.keys(), f"{ia}")


@check("renew-unknown-ia", "RFC 9915 18.3.4",
       "A Renew of an unknown IA: the IA comes with a new lease, NoAddrsAvail or NoBinding.")
def renew_unknown(env):
    key = str(config.MAIN.subnet[0xABCDE])
    client = Client(env)
    ia = client.renew(ia_with(key)).na(1)
    expect(ia is not None, "the IA is missing")
    expect(ia.live() or ia.status() in (dhcp6.NO_BINDING, dhcp6.NO_ADDRS_AVAIL), f"{ia}")
    if ia.live():
        expect(client.holds(ia.keys()[0]), "the new lease is not bound")


@check("renew-unknown-ia-pd", "RFC 9915 18.3.4",
       "A Renew of an unknown IA_PD: the IA comes with a new lease, NoPrefixAvail or NoBinding.")
def renew_unknown_pd(env):
    ia = Client(env).renew(ia_with("2001:db8:1700:ab00::/56")).pd(1)
    expect(ia is not None, "the IA is missing")
    expect(ia.live() or ia.status() in (dhcp6.NO_BINDING, dhcp6.NO_PREFIX_AVAIL), f"{ia}")


@check("renew-known-beside-unknown", "RFC 7550 4.4.1",
       "An unknown IA in a Renew does not stop the known one from being renewed.")
def renew_mixed(env):
    client = Client(env)
    key = client.lease()
    answer = client.renew(ia_with(key), dhcp6.ia_pd(5))
    expect(key in answer.na(1).keys(), f"{answer}")
    ia = answer.pd(5)
    expect(ia and (ia.live() or ia.status() in (dhcp6.NO_BINDING, dhcp6.NO_PREFIX_AVAIL)), f"{ia}")


@check("renew-noaddrsavail-or-nobinding", "RFC 9915 18.3.4",
       "A Renew of an unknown IA on an exhausted link: NoAddrsAvail or NoBinding, no lease.")
def renew_exhausted(env):
    link = env.tiny()
    for _ in range(2):
        Client(env, Relay(link)).lease()
    ia = Client(env, Relay(link)).renew(dhcp6.ia_na(1)).na(1)
    expect(ia and not ia.live() and ia.status() in (dhcp6.NO_ADDRS_AVAIL, dhcp6.NO_BINDING),
           f"{ia}")


@check("renew-foreign-address", "RFC 9915 18.3.4",
       "A Renew of an address that another client holds does not get it.")
def renew_foreign(env):
    owner = Client(env)
    key = owner.lease()
    not_given(Client(env).renew(ia_with(key)), key)
    other = Client(env)
    own = other.lease()
    answer = other.renew(dhcp6.ia_na(1, dhcp6.iaaddr(own), dhcp6.iaaddr(key)))
    not_given(answer, key)
    expect(owner.holds(key), "the owner lost its lease")


@check("renew-foreign-prefix", "RFC 9915 18.3.4",
       "A Renew of a prefix that another client holds does not get it.")
def renew_foreign_prefix(env):
    owner = Client(env)
    key = owner.delegate()
    not_given(Client(env).renew(ia_with(key)), key)
    expect(owner.holds(key), "the owner lost its lease")


@check("renew-address-off-link", "RFC 9915 18.3.4",
       "An address in a known IA that does not fit the link comes back with lifetimes 0.")
def renew_off_link(env):
    client = Client(env)
    key = client.lease()
    ia = client.renew(dhcp6.ia_na(1, dhcp6.iaaddr(key), dhcp6.iaaddr(OFF_LINK))).na(1)
    expect(dead(ia, OFF_LINK), f"{ia}")
    expect(key in ia.keys(), f"the good lease was not renewed: {ia}")


@check("renew-prefix-off-link", "RFC 9915 18.3.4",
       "A prefix in a known IA_PD that does not fit the link comes back with lifetimes 0.")
def renew_prefix_off_link(env):
    client = Client(env)
    key = client.delegate()
    ia = client.renew(dhcp6.ia_pd(1, dhcp6.iaprefix(key), dhcp6.iaprefix(OFF_LINK_PREFIX))).pd(1)
    expect(dead(ia, OFF_LINK_PREFIX), f"{ia}")
    expect(key in ia.keys(), f"the good lease was not renewed: {ia}")


@check("renew-after-moving", "RFC 9915 18.3.4",
       "A client that moved to another link gets its old address back with lifetimes 0.")
def renew_moved(env):
    client = Client(env)
    key = client.lease()
    ia = client.sibling(Relay(config.NO_TIMES)).renew(ia_with(key)).na(1)
    expect(dead(ia, key), f"{ia}")


@check("renew-prefix-after-moving", "RFC 9915 18.3.4",
       "A client that moved to another link gets its old prefix back with lifetimes 0.")
def renew_prefix_moved(env):
    client = Client(env)
    key = client.delegate()
    ia = client.sibling(Relay(config.NO_TIMES)).renew(ia_with(key)).pd(1)
    expect(dead(ia, key), f"{ia}")


@check("renew-wrong-iaid", "RFC 9915 18.3.4",
       "A lease renewed under another IAID is not given to that IA while the first IA holds it.")
def renew_wrong_iaid(env):
    client = Client(env)
    key = client.lease(1)
    ia = client.renew(ia_with(key, 2)).na(2)
    expect(ia is not None and key not in ia.keys(), f"{ia}")
    expect(client.holds(key, 1), "the first IA lost its lease")


@check("renew-several-ias", "RFC 9915 18.3.4",
       "Every IA of a Renew is answered, each with its own lease.")
def renew_several(env):
    client = Client(env)
    first = client.obtain(dhcp6.ia_na(1), dhcp6.ia_na(2), dhcp6.ia_pd(1), dhcp6.ia_pd(2))
    answer = client.renew(*[ia_with(ia.keys()[0], ia.iaid) for ia in first.ias])
    expect(sorted(answer.live_keys()) == sorted(first.live_keys()), f"{first}, then {answer}")


# ---- REBIND -------------------------------------------------------------------------------------

@check("rebind-extends", "RFC 9915 18.3.5",
       "A Rebind of a known lease returns it with new lifetimes, T1 and T2.")
def rebind_extends(env):
    for path in (Direct(), Relay()):
        client = Client(env, path)
        key, prefix = client.lease(), client.delegate()
        answer = client.ask(REBIND, ia_with(key), ia_with(prefix))
        expect(answer.kind == REPLY and answer.live_keys() == [key, prefix], f"{answer}")
        expect(answer.na(1).live()[0].valid == config.VALID_S, f"{answer}")


@check("rebind-off-link", "RFC 9915 18.3.5",
       "An address in a known IA that does not fit the link comes back with lifetimes 0.")
def rebind_off_link(env):
    client = Client(env)
    key = client.lease()
    ia = client.ask(REBIND, dhcp6.ia_na(1, dhcp6.iaaddr(key), dhcp6.iaaddr(OFF_LINK))).na(1)
    expect(dead(ia, OFF_LINK) and key in ia.keys(), f"{ia}")


@check("rebind-after-moving", "RFC 9915 18.3.5",
       "A known lease of another link comes back with lifetimes 0, address and prefix.")
def rebind_moved(env):
    client = Client(env)
    key, prefix = client.lease(), client.delegate()
    answer = client.sibling(Relay(config.NO_TIMES)).ask(REBIND, ia_with(key), ia_with(prefix))
    expect(dead(answer.na(1), key) and dead(answer.pd(1), prefix), f"{answer}")


@check("rebind-unknown-no-rapid-commit", "RFC 9915 18.3.5",
       "Without Rapid Commit a Rebind of an unknown IA creates no binding: NoBinding or silence.")
def rebind_unknown(env):
    key = str(config.MAIN.subnet[0xBEEF])
    client = Client(env)
    answer = client.survives(client.build(REBIND, ia_with(key)))
    expect(answer is None or not answer.live_keys(), f"{answer}")
    if answer is not None:
        expect(answer.na(1) and answer.na(1).status() == dhcp6.NO_BINDING, f"{answer}")
    ia = client.release(ia_with(key)).na(1)
    expect(ia and ia.status() == dhcp6.NO_BINDING, "the Rebind has made a binding")


@check("rebind-unknown-rapid-commit", "RFC 9915 18.3.5",
       "With Rapid Commit a Rebind of an unknown IA gets a binding or a status, never half of it.")
def rebind_unknown_rapid(env):
    client = Client(env, Relay(config.RAPID))
    answer = client.survives(client.build(REBIND, dhcp6.ia_na(1)))
    if answer is None:
        return
    ia = answer.na(1)
    expect(ia is not None and (ia.live() or ia.status() in (dhcp6.NO_BINDING,
                                                            dhcp6.NO_ADDRS_AVAIL)), f"{answer}")
    if ia.live():
        expect(client.holds(ia.keys()[0]), "the lease given is not bound")


@check("rebind-unknown-off-link", "RFC 9915 18.3.5",
       "A Rebind of an unknown IA with an unfit address never makes that address usable.")
def rebind_unknown_off_link(env):
    for link in (config.MAIN, config.RAPID):
        key = str(config.NO_TIMES.subnet[0xBEEF])
        client = Client(env, Relay(link))
        answer = client.survives(client.build(REBIND, ia_with(key)))
        not_given(answer, key)


@check("rebind-foreign-address", "RFC 9915 18.3.5",
       "A Rebind of an address that another client holds does not get it.")
def rebind_foreign(env):
    for link in (config.MAIN, config.RAPID):
        owner = Client(env, Relay(link))
        key = owner.lease()
        thief = Client(env, Relay(link))
        not_given(thief.survives(thief.build(REBIND, ia_with(key))), key)
        expect(owner.holds(key), "the owner lost its lease")


@check("rebind-known-beside-unknown", "RFC 7550 4.4.2",
       "An unknown IA in a Rebind does not stop the known one from being extended.")
def rebind_mixed(env):
    client = Client(env)
    key = client.lease()
    answer = client.ask(REBIND, ia_with(key), dhcp6.ia_pd(5))
    expect(answer.na(1) and key in answer.na(1).keys(), f"{answer}")


@check("rebind-without-ia", "RFC 9915 18.3.5",
       "A Rebind that would be answered without any IA is not answered.")
def rebind_without_ia(env):
    Client(env).silent(REBIND)


# ---- CONFIRM ------------------------------------------------------------------------------------

def _confirm(env, path, status, *options):
    answer = Client(env, path).ask(CONFIRM, *options)
    expect(answer.kind == REPLY, f"{answer}")
    expect(answer.options.has(dhcp6.STATUS_CODE), "the Reply holds no Status Code")
    expect(answer.status() == status, f"{answer} has status {answer.status()}")


@check("confirm-success", "RFC 9915 18.3.3",
       "Every address fits the link: Success, leased or not.")
def confirm_success(env):
    for path in (Direct(), Relay()):
        _confirm(env, path, dhcp6.SUCCESS, ia_with(str(path.link.subnet[0x4711])))


@check("confirm-own-lease", "RFC 9915 18.3.3", "A client's own address on its link: Success.")
def confirm_own(env):
    client = Client(env)
    answer = client.ask(CONFIRM, ia_with(client.lease()))
    expect(answer.options.has(dhcp6.STATUS_CODE) and answer.status() == dhcp6.SUCCESS, f"{answer}")


@check("confirm-notonlink", "RFC 9915 18.3.3", "An address that does not fit the link: NotOnLink.")
def confirm_notonlink(env):
    for path in (Direct(), Relay()):
        _confirm(env, path, dhcp6.NOT_ON_LINK, ia_with(OFF_LINK))


@check("confirm-one-of-two", "RFC 9915 18.3.3",
       "One of several addresses does not fit, in the same IA or another: NotOnLink.")
def confirm_one_of_two(env):
    good, bad = dhcp6.iaaddr(config.MAIN.subnet[1234]), dhcp6.iaaddr(OFF_LINK)
    _confirm(env, Relay(), dhcp6.NOT_ON_LINK, dhcp6.ia_na(1, good, bad))
    _confirm(env, Relay(), dhcp6.NOT_ON_LINK, dhcp6.ia_na(1, bad, good))
    _confirm(env, Relay(), dhcp6.NOT_ON_LINK, dhcp6.ia_na(1, good), dhcp6.ia_na(2, bad))


@check("confirm-several", "RFC 9915 18.3.3", "Several IAs whose addresses all fit: Success.")
def confirm_several(env):
    _confirm(env, Relay(), dhcp6.SUCCESS, ia_with(str(config.MAIN.subnet[99]), 1),
             ia_with(str(config.MAIN.subnet[98]), 2), dhcp6.ia_na(3))


@check("confirm-lifetimes-ignored", "RFC 9915 18.3.3",
       "T1, T2 and lifetimes in a Confirm are ignored.")
def confirm_lifetimes(env):
    _confirm(env, Relay(), dhcp6.SUCCESS,
             dhcp6.ia_na(1, dhcp6.iaaddr(config.MAIN.subnet[77], preferred=9, valid=1), t1=9, t2=1))


@check("confirm-no-address", "RFC 9915 18.3.3", "A Confirm whose IAs hold no address: no Reply.")
def confirm_no_address(env):
    Client(env).silent(CONFIRM, dhcp6.ia_na(1))
    Client(env, Direct()).silent(CONFIRM, dhcp6.ia_na(1), dhcp6.ia_na(2))


@check("confirm-no-ia", "RFC 9915 18.3.3", "A Confirm without IAs: no Reply.")
def confirm_no_ia(env):
    Client(env).silent(CONFIRM)


@check("confirm-prefix-only", "RFC 9915 18.3.3",
       "A Confirm judges addresses; one with IA_PD only holds none: no Reply.")
def confirm_prefix_only(env):
    Client(env).silent(CONFIRM, ia_with("2001:db8:1700:100::/56"))


@check("confirm-unknown-link", "RFC 9915 18.3.3",
       "A Confirm from a link the server knows nothing about: no Reply.")
def confirm_unknown_link(env):
    from suite import Level
    path = Relay(levels=[Level(config.UNKNOWN_RELAY)])
    Client(env, path).silent(CONFIRM, ia_with(str(config.MAIN.subnet[5])))


@check("confirm-binds-nothing", "RFC 9915 18.3.3", "A Confirm makes no binding.")
def confirm_binds_nothing(env):
    client, key = Client(env), str(config.MAIN.subnet[0x6666])
    client.ask(CONFIRM, ia_with(key))
    ia = client.release(ia_with(key)).na(1)
    expect(ia and ia.status() == dhcp6.NO_BINDING, f"{ia}")
    expect(Client(env).ask(REQUEST, ia_with(key)).na(1).live(), "nothing for another client")
