"""Options by ORO with their exact encodings, and Client FQDN (RFC 9915 18.3, 21.7; RFC 4704)."""

import config
import dhcp6
from dhcp6 import INFORMATION_REQUEST, REQUEST
from suite import Client, Direct, Relay, check, expect


def _asked(name, clause, code, instances):
    @check(f"option-{name}", clause,
           f"Option {code} comes exactly as defined when the ORO asks for it, in Advertise and Reply.")
    def asked(env):
        client = Client(env, oro=(code,))
        for answer in (client.solicit(dhcp6.ia_na(1)), client.ask(REQUEST, dhcp6.ia_na(1)),
                       client.renew(dhcp6.ia_na(1)), client.ask(INFORMATION_REQUEST)):
            have = answer.options.all(code)
            expect(have == instances, f"in {answer.name}: {[data.hex() for data in have]} instead "
                   f"of {[data.hex() for data in instances]}")

    @check(f"option-{name}-not-asked", "RFC 9915 21.7",
           f"Option {code} does not come when the ORO does not ask for it.")
    def not_asked(env):
        other = dhcp6.DNS_SERVERS if code != dhcp6.DNS_SERVERS else dhcp6.DOMAIN_LIST
        client = Client(env, oro=(other,))
        for answer in (client.obtain(dhcp6.ia_na(1)), client.ask(INFORMATION_REQUEST)):
            expect(not answer.options.has(code), f"{answer}")
            expect(answer.options.has(other), f"option {other}, asked for, is missing: {answer}")


for _name, (_clause, _code, _, _instances) in config.OPTIONS.items():
    _asked(_name, _clause, _code, _instances)


@check("oro-all-together", "RFC 9915 18.3",
       "An ORO that asks for every configured option gets every one of them.")
def oro_all(env):
    codes = [row[1] for row in config.OPTIONS.values()]
    answer = Client(env, oro=codes).obtain(dhcp6.ia_na(1), dhcp6.ia_pd(1))
    missing = [code for code in codes if not answer.options.has(code)]
    expect(not missing, f"missing: {missing}")


@check("oro-absent", "RFC 9915 21.7", "Without an ORO no configuration option is sent.")
def oro_absent(env):
    codes = {row[1] for row in config.OPTIONS.values()}
    client = Client(env, oro=())
    for answer in (client.obtain(dhcp6.ia_na(1)), client.ask(INFORMATION_REQUEST)):
        expect(not codes & set(answer.options.codes()), f"{answer}")


@check("oro-unknown-codes", "RFC 9915 18.3",
       "Codes in the ORO that the server does not know or has no value for are passed over.")
def oro_unknown(env):
    answer = Client(env, oro=(65000, 22, 21, dhcp6.DNS_SERVERS, 0)).obtain(dhcp6.ia_na(1))
    expect(answer.options.has(dhcp6.DNS_SERVERS), f"{answer}")
    expect(not {65000, 22, 21, 0} & set(answer.options.codes()), f"{answer}")


@check("oro-many-codes", "RFC 9915 18.3.9",
       "An ORO of a hundred codes is read to its end.")
def oro_many(env):
    codes = (*range(30000, 30100), dhcp6.DNS_SERVERS)
    answer = Client(env, oro=codes).obtain(dhcp6.ia_na(1))
    expect(answer.options.has(dhcp6.DNS_SERVERS), f"{answer}")


@check("oro-repeated-codes", "RFC 9915 21",
       "A code that stands twice in the ORO yields the option once.")
def oro_repeated(env):
    answer = Client(env, oro=(dhcp6.DNS_SERVERS,) * 3).obtain(dhcp6.ia_na(1))
    expect(len(answer.options.all(dhcp6.DNS_SERVERS)) == 1, f"{answer}")


@check("oro-forbidden-codes", "RFC 9915 21.7",
       "Codes that must not stand in an ORO are not answered by odd options.")
def oro_forbidden(env):
    codes = (1, 2, 3, 4, 5, 6, 8, 9, 11, 12, 13, 14, 15, 16, 18, 19, 20, 25, 26)
    answer = Client(env, oro=codes).obtain(dhcp6.ia_na(1))
    odd = set(answer.options.codes()) - {dhcp6.CLIENTID, dhcp6.SERVERID, dhcp6.IA_NA,
                                         dhcp6.STATUS_CODE}
    expect(not odd and answer.na(1).live(), f"{answer}")


@check("oro-odd-order", "RFC 9915 21.7", "The order of options in a message does not matter.")
def oro_order(env):
    client = Client(env)
    data = dhcp6.message(dhcp6.SOLICIT, env.next_xid(), dhcp6.ia_na(1),
                         dhcp6.oro(dhcp6.DNS_SERVERS), dhcp6.elapsed(7),
                         dhcp6.client_id(client.duid))
    answer = client.exchange(data)
    expect(answer.na(1).live() and answer.options.has(dhcp6.DNS_SERVERS), f"{answer}")


@check("options-of-other-link-absent", "RFC 9915 18.3",
       "Options configured for one link are not sent on another.")
def options_other_link(env):
    codes = [row[1] for row in config.OPTIONS.values()]
    answer = Client(env, Relay(config.RAPID), oro=codes).obtain(dhcp6.ia_na(1))
    expect(not set(codes) & set(answer.options.codes()), f"{answer}")


@check("reconfigure-accept-form", "RFC 9915 20.4",
       "To a client with Reconfigure Accept: the option is empty, and a key, if sent, well formed.")
def reconfigure_accept(env):
    client = Client(env, extra=[dhcp6.option(dhcp6.RECONF_ACCEPT)])
    answer = client.obtain(dhcp6.ia_na(1))
    expect(answer.na(1).live(), f"{answer}")
    expect(answer.options.one(dhcp6.RECONF_ACCEPT) in (None, b""), "Reconfigure Accept holds data")
    auth = answer.options.one(dhcp6.AUTH)
    if auth is not None:
        expect(len(auth) == 28 and auth[:3] == b"\x03\x01\x00" and auth[11] == 1,
               f"Authentication option {auth.hex()}")


# ---- Client FQDN --------------------------------------------------------------------------------

S, O, N = 1, 2, 4


def _fqdn(env, flags, name="host.example.org", partial=False, oro=(dhcp6.CLIENT_FQDN,)):
    client = Client(env, extra=[dhcp6.fqdn(flags, name, partial)], oro=oro)
    return client.obtain(dhcp6.ia_na(1)).options.one(dhcp6.CLIENT_FQDN)


@check("fqdn-server-updates", "RFC 4704 6",
       "Client S=1: the answer has S=1, or S=0 with O=1; N only if nothing is updated.")
def fqdn_s(env):
    data = _fqdn(env, S)
    expect(data is not None, "no Client FQDN although sent and asked for")
    expect(data[0] in (S, O, O | N), f"flags {data[0]:#x}")


@check("fqdn-client-updates", "RFC 4704 6",
       "Client S=0, N=0: the answer has S=0, or S=1 together with O=1.")
def fqdn_none(env):
    data = _fqdn(env, 0)
    expect(data is not None and data[0] in (0, S | O, N), f"{data}")


@check("fqdn-no-updates", "RFC 4704 6",
       "Client N=1: the answer has N=1 and S=0, or overrides it with S=1 and O=1.")
def fqdn_n(env):
    data = _fqdn(env, N)
    expect(data is not None and data[0] in (N, S | O), f"{data}")


@check("fqdn-reserved-flags", "RFC 4704 4.1", "Reserved flag bits and the client's O bit are not copied.")
def fqdn_reserved(env):
    data = _fqdn(env, 0xF8 | O)
    expect(data is not None and not data[0] & 0xF8 and data[0] in (0, N, S | O), f"{data}")


@check("fqdn-name", "RFC 4704 6", "The answer's name is in DNS form and, unless replaced, the client's.")
def fqdn_name(env):
    data = _fqdn(env, S)
    expect(data is not None and data[1:].startswith(dhcp6.encode_name("host.example.org")[:5]),
           f"{data}")


@check("fqdn-partial-name", "RFC 4704 4.2",
       "A partial name is accepted; the answer is a partial or a full name that starts with it.")
def fqdn_partial(env):
    data = _fqdn(env, S, "host", partial=True)
    expect(data is not None and data[1:6] == b"\x04host", f"{data}")


@check("fqdn-not-asked", "RFC 4704 6",
       "No Client FQDN in the answer if the ORO does not ask for it.")
def fqdn_not_asked(env):
    expect(_fqdn(env, S, oro=(dhcp6.DNS_SERVERS,)) is None, "it came all the same")


@check("fqdn-not-sent", "RFC 4704 6",
       "No Client FQDN in the answer if the client sent none, even if the ORO asks for it.")
def fqdn_not_sent(env):
    answer = Client(env, Direct(), oro=(dhcp6.CLIENT_FQDN,)).obtain(dhcp6.ia_na(1))
    expect(not answer.options.has(dhcp6.CLIENT_FQDN), f"{answer}")
