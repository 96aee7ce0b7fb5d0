"""Relay agents: Relay-forward in, Relay-reply out (RFC 9915 19.3, 13.1; RFC 8357, 4994, 6422).

That hop-count, link-address, peer-address and options of each level are right is also looked at in
every relayed exchange of the suite (rules.py)."""

import config
import dhcp6
import wire
from dhcp6 import SOLICIT
from suite import Client, Level, Relay, check, expect, ia_with

MAIN_RELAY = str(config.MAIN.relay)


def _served(env, path, link=config.MAIN):
    """A SOLICIT by this path is offered an address of `link`."""
    path.link = link
    client = Client(env, path)
    ia = client.solicit(dhcp6.ia_na(1)).na(1)
    expect(ia and ia.live(), f"{ia}")
    expect(ia.live()[0].address in link.subnet, f"{ia} is not on link {link.name}")
    return client


def interface_id(data):
    return dhcp6.option(dhcp6.INTERFACE_ID, data)


def relay_port(port):
    return dhcp6.option(dhcp6.RELAY_PORT, port.to_bytes(2, "big"))


def echo(*codes):
    return dhcp6.option(dhcp6.ERO, b"".join(code.to_bytes(2, "big") for code in codes))


def _exchange(env, path, kind=SOLICIT):
    """Like _served, but returns the levels of the Relay-reply, outermost first."""
    client = Client(env, path)
    data = client.build(kind, dhcp6.ia_na(1))
    client.send(data)
    frame = env.await_frame(path.port, lambda frame: frame.destination == path.source, 2.0)
    expect(frame is not None, "no answer")
    levels, inner = dhcp6.unwrap(frame.data)
    expect(dhcp6.Message(inner).na(1).live(), "no address offered")
    return frame, levels


@check("relay-header-copied", "RFC 9915 19.3",
       "Hop-count, link-address and peer-address come back as they were.")
def header_copied(env):
    path = Relay(levels=[Level(MAIN_RELAY, hop=5, peer="2001:db8:77::99")])
    _, levels = _exchange(env, path)
    level = levels[0]
    expect((level.kind, level.hop, str(level.link), str(level.peer)) ==
           (dhcp6.RELAY_REPL, 5, MAIN_RELAY, "2001:db8:77::99"), f"{vars(level)}")


@check("relay-to-source-address", "RFC 9915 18.3.10",
       "The Relay-reply goes to the source address of the Relay-forward, port 547.")
def to_source(env):
    path = Relay()
    frame, _ = _exchange(env, path)
    expect(frame.destination == path.source and frame.destination_port == 547,
           f"{frame.destination} port {frame.destination_port}")


@check("relay-interface-id", "RFC 9915 21.18", "An Interface-Id comes back, octet for octet.")
def interface_id_copied(env):
    for data in (b"ge-0/0/1.7", bytes(range(256)), b"\0"):
        _, levels = _exchange(env, Relay(options=[interface_id(data)]))
        expect(levels[0].options.all(dhcp6.INTERFACE_ID) == [data], f"{levels[0].options}")


@check("relay-interface-id-long", "RFC 9915 21.18",
       "An Interface-Id is of arbitrary length: 900 octets come back too.")
def interface_id_long(env):
    data = bytes(n % 251 for n in range(900))
    _, levels = _exchange(env, Relay(options=[interface_id(data)]))
    expect(levels[0].options.all(dhcp6.INTERFACE_ID) == [data], "another Interface-Id came back")


@check("relay-interface-id-empty", "RFC 9915 21.18", "An Interface-Id of no octets comes back too.")
def interface_id_empty(env):
    _, levels = _exchange(env, Relay(options=[interface_id(b"")]))
    expect(levels[0].options.all(dhcp6.INTERFACE_ID) == [b""], f"{levels[0].options}")


@check("relay-interface-id-nested", "RFC 9915 21.18",
       "Each level gets back its own Interface-Id, and a level without one gets none.")
def interface_id_nested(env):
    path = Relay(levels=[Level(MAIN_RELAY, options=[interface_id(b"inner")]),
                         Level("::"), Level("2001:db8:5::5", options=[interface_id(b"outer")])])
    _, levels = _exchange(env, path)
    have = [level.options.all(dhcp6.INTERFACE_ID) for level in levels]
    expect(have == [[b"outer"], [], [b"inner"]], f"{have}")


@check("relay-other-options-not-copied", "RFC 9915 19.3",
       "Relay options that nobody asked to echo do not come back, nor reach the client.")
def others_not_copied(env):
    options = [dhcp6.remote_id(9, b"abc"), dhcp6.option(dhcp6.SUBSCRIBER_ID, b"sub"),
               dhcp6.option(65000, b"x"), dhcp6.client_linklayer(b"\2\1\1\1\1\1")]
    _, levels = _exchange(env, Relay(options=options))
    expect(levels[0].options.codes() == [dhcp6.RELAY_MSG], f"{levels[0].options.codes()}")


@check("relay-unknown-option", "RFC 9915 16", "Unknown options of a relay agent do not stop a message.")
def unknown_option(env):
    _served(env, Relay(options=[dhcp6.option(65000, b"abc"), dhcp6.option(65001)]))


def _nested(count):
    """`count` levels; only the innermost has a link-address."""
    return Relay(levels=[Level(MAIN_RELAY, options=[interface_id(b"level0")])]
                 + [Level("::", options=[interface_id(b"level%d" % n)]) for n in range(1, count)])


def _depth(count):
    @check(f"relay-nested-{count}", "RFC 9915 19.3",
           f"A message behind {count} relay agents is answered through all of them in reverse.")
    def nested(env):
        _served(env, _nested(count))


for _count in range(2, 10):
    _depth(_count)


@check("relay-nested-too-deep", "RFC 9915 19.1.2",
       "Ten levels cannot come about (HOP_COUNT_LIMIT): silence or the full chain, then service.")
def too_deep(env):
    for count in (10, 33):
        levels = [Level(MAIN_RELAY)] + [Level("::") for _ in range(1, count)]
        client = Client(env, Relay(levels=levels))
        client.send(client.build(SOLICIT, dhcp6.ia_na(1)))
        env.sentinel(client.path)
        frame = env.await_frame(0, lambda frame: frame.destination == client.path.source, 0.1)
        if frame is not None:
            levels, inner = dhcp6.unwrap(frame.data)
            expect(len(levels) == count, f"{len(levels)} levels in answer to {count}")
            dhcp6.Message(inner)


@check("relay-zero-link-address-skipped", "RFC 9915 13.1",
       "Link-addresses of zero are ignored; the innermost non-zero one selects the link.")
def zero_link(env):
    _served(env, Relay(levels=[Level("::", options=[interface_id(b"x")]), Level(MAIN_RELAY)]))
    _served(env, Relay(levels=[Level("::"), Level("::"), Level(MAIN_RELAY), Level("::")]))


@check("relay-innermost-link-address", "RFC 9915 13.1",
       "Of several link-addresses the one nearest to the client selects the link.")
def innermost_link(env):
    path = Relay(levels=[Level(config.NO_TIMES.relay), Level(MAIN_RELAY)])
    _served(env, path, config.NO_TIMES)
    path = Relay(levels=[Level("::"), Level(config.NO_TIMES.relay), Level(MAIN_RELAY)])
    _served(env, path, config.NO_TIMES)


@check("relay-unknown-link", "RFC 9915 13.1",
       "A link-address that belongs to no configured link: no lease, no answer.")
def unknown_link(env):
    Client(env, Relay(levels=[Level(config.UNKNOWN_RELAY)])).silent(SOLICIT, dhcp6.ia_na(1))
    Client(env, Relay(levels=[Level(config.UNKNOWN_RELAY)])).silent(
        dhcp6.REQUEST, ia_with(str(config.MAIN.subnet[0x1234])))


@check("relay-link-address-in-subnet", "RFC 9915 13.1",
       "Each configured link is chosen by its own relay's link-address.")
def each_link(env):
    for link in (config.RAPID, config.NO_PREFIXES, config.PREFERENCE, config.NO_TIMES):
        _served(env, Relay(link), link)


@check("relay-forward-without-message", "RFC 9915 19.3",
       "A Relay-forward without Relay Message option is discarded.")
def without_message(env):
    client = Client(env)
    for options in ((), (interface_id(b"x"),)):
        client.silent_raw(dhcp6.relay_forward(0, MAIN_RELAY, wire.link_local(client.mac), *options))


@check("relay-forward-nested-without-message", "RFC 9915 19.3",
       "The same inside another Relay-forward: discarded as a whole.")
def nested_without_message(env):
    client = Client(env)
    inner = dhcp6.relay_forward(0, MAIN_RELAY, wire.link_local(client.mac))
    client.silent_raw(dhcp6.relay_forward(1, "::", "2001:db8::9", (dhcp6.RELAY_MSG, inner)))


@check("relay-forward-truncated", "RFC 9915 9",
       "A Relay-forward shorter than its header of 34 octets is discarded.")
def truncated(env):
    client = Client(env)
    whole = client.path.wrap(client.build(SOLICIT, dhcp6.ia_na(1)))
    for size in (1, 4, 17, 33, 34, 36, 40):
        client.silent_raw(whole[:size])


@check("relay-message-empty", "RFC 9915 21.10", "An empty Relay Message option is discarded.")
def empty_message(env):
    client = Client(env)
    for inner in (b"", b"\1", b"\1\2\3"):
        client.silent_raw(dhcp6.relay_forward(0, MAIN_RELAY, wire.link_local(client.mac),
                                              (dhcp6.RELAY_MSG, inner)))


@check("relay-reply-inside-forward", "RFC 9915 16.14",
       "A Relay-reply inside a Relay-forward is discarded.")
def reply_inside(env):
    client = Client(env)
    inner = dhcp6.relay_forward(0, MAIN_RELAY, wire.link_local(client.mac),
                                (dhcp6.RELAY_MSG, client.build(SOLICIT, dhcp6.ia_na(1))),
                                kind=dhcp6.RELAY_REPL)
    client.silent_raw(dhcp6.relay_forward(1, "::", "2001:db8::9", (dhcp6.RELAY_MSG, inner)))


@check("relay-message-option-first-or-last", "RFC 9915 19.3",
       "The Relay Message option may stand anywhere among the relay's options.")
def message_first(env):
    client = Client(env)
    data = client.build(SOLICIT, dhcp6.ia_na(1))
    client.send_raw(dhcp6.relay_forward(0, MAIN_RELAY, client.path.levels[0].peer,
                                        (dhcp6.RELAY_MSG, data), interface_id(b"after")))
    client.path.levels[0].options = [interface_id(b"after")]
    expect(client.answer(data).na(1).live(), "no address offered")


@check("relay-to-all-servers", "RFC 9915 7.1", "A Relay-forward to ff05::1:3 is answered.")
def all_servers(env):
    _served(env, Relay(destination=wire.ALL_SERVERS))


@check("relay-link-local-source", "RFC 9915 18.3.10",
       "A relay agent that sends from its link-local address to ff02::1:2 is answered there.")
def link_local_relay(env):
    client = Client(env, Relay(destination=wire.ALL_RELAYS_AND_SERVERS))
    client.path.source = wire.link_local(client.mac)
    expect(client.solicit(dhcp6.ia_na(1)).na(1).live(), "no address offered")


@check("relay-odd-source-port", "RFC 9915 7.2",
       "A relay's source port does not matter without option 135: the answer goes to port 547.")
def odd_source_port(env):
    frame, _ = _exchange(env, Relay(source_port=33333))
    expect(frame.destination_port == 547, f"port {frame.destination_port}")


@check("relay-source-port-option", "RFC 8357 5.2",
       "With Relay Source Port the answer goes to the source port, and the option is copied.")
def source_port_option(env):
    path = Relay(source_port=10547, reply_port=10547, options=[relay_port(0)])
    frame, levels = _exchange(env, path)
    expect(frame.destination_port == 10547, f"port {frame.destination_port}")
    expect(levels[0].options.all(dhcp6.RELAY_PORT) == [b"\0\0"], f"{levels[0].options}")


@check("relay-source-port-nonzero", "RFC 8357 5.2",
       "A non-zero downstream port in the option is copied; the answer goes to the UDP source port.")
def source_port_nonzero(env):
    path = Relay(levels=[Level(MAIN_RELAY, options=[relay_port(0)]),
                         Level("::", options=[relay_port(1000)])],
                 source_port=2000, reply_port=2000)
    frame, levels = _exchange(env, path)
    expect(frame.destination_port == 2000, f"port {frame.destination_port}")
    have = [level.options.all(dhcp6.RELAY_PORT) for level in levels]
    expect(have == [[b"\x03\xe8"], [b"\0\0"]], f"{have}")


@check("relay-source-port-547", "RFC 8357 5.2",
       "Option 135 from a relay that itself uses port 547: the answer goes to 547.")
def source_port_547(env):
    path = Relay(levels=[Level(MAIN_RELAY, options=[relay_port(0)]),
                         Level("::", options=[relay_port(1000)])])
    frame, _ = _exchange(env, path)
    expect(frame.destination_port == 547, f"port {frame.destination_port}")


@check("relay-echo-request", "RFC 4994 5",
       "Options that the Echo Request lists come back octet for octet.")
def echo_request(env):
    remote, subscriber = dhcp6.remote_id(9, b"abc"), dhcp6.option(dhcp6.SUBSCRIBER_ID, b"sub")
    _, levels = _exchange(env, Relay(options=[echo(dhcp6.SUBSCRIBER_ID, dhcp6.REMOTE_ID), remote,
                                              subscriber]))
    have = levels[0].options
    expect(have.all(remote[0]) == [remote[1]] and have.all(subscriber[0]) == [subscriber[1]],
           f"{have}")


@check("relay-echo-unknown-option", "RFC 4994 5",
       "An option unknown to the server is echoed too if it is listed.")
def echo_unknown(env):
    _, levels = _exchange(env, Relay(options=[echo(65000), dhcp6.option(65000, b"opaque")]))
    expect(levels[0].options.all(65000) == [b"opaque"], f"{levels[0].options}")


@check("relay-echo-absent-option", "RFC 4994 5",
       "A listed option that was not in the Relay-forward is passed over.")
def echo_absent(env):
    _, levels = _exchange(env, Relay(options=[echo(dhcp6.REMOTE_ID, 65000)]))
    expect(levels[0].options.codes() == [dhcp6.RELAY_MSG], f"{levels[0].options.codes()}")


@check("relay-echo-interface-id-once", "RFC 4994 5",
       "An option that is in the Relay-reply anyway is not repeated because it is listed.")
def echo_once(env):
    _, levels = _exchange(env, Relay(options=[echo(dhcp6.INTERFACE_ID, dhcp6.INTERFACE_ID),
                                              interface_id(b"x")]))
    expect(levels[0].options.all(dhcp6.INTERFACE_ID) == [b"x"], f"{levels[0].options}")


@check("relay-echo-per-level", "RFC 4994 5", "An Echo Request counts for its own level only.")
def echo_level(env):
    remote = dhcp6.remote_id(9, b"abc")
    path = Relay(levels=[Level(MAIN_RELAY, options=[remote]),
                         Level("::", options=[echo(dhcp6.REMOTE_ID), dhcp6.remote_id(9, b"o")])])
    _, levels = _exchange(env, path)
    have = [level.options.has(dhcp6.REMOTE_ID) for level in levels]
    expect(have == [True, False], f"Remote-Id in the levels, outermost first: {have}")


@check("relay-supplied-options-not-enabled", "RFC 6422 6",
       "Options in an RSOO that are not registered for it do not reach the client.")
def rsoo(env):
    inner = dhcp6.encode_options([dhcp6.option(dhcp6.DNS_SERVERS, dhcp6.packed("2001:db8::bad")),
                                  dhcp6.option(dhcp6.AFTR_NAME, dhcp6.encode_name("bad.example"))])
    path = Relay(config.RAPID, options=[dhcp6.option(dhcp6.RSOO, inner)])
    answer = Client(env, path, oro=(dhcp6.DNS_SERVERS, dhcp6.AFTR_NAME)).solicit(dhcp6.ia_na(1))
    expect(not answer.options.has(dhcp6.DNS_SERVERS) and not answer.options.has(dhcp6.AFTR_NAME),
           f"{answer}")


@check("relay-options-from-client-ignored", "RFC 9915 21.18",
       "Relay options in a client's own message do no harm and do not come back.")
def from_client(env):
    client = Client(env, extra=[interface_id(b"mine"), dhcp6.remote_id(9, b"mine"), relay_port(9),
                                echo(dhcp6.REMOTE_ID)])
    answer = client.survives(client.build(SOLICIT, dhcp6.ia_na(1)))
    expect(answer is None or not {18, 37, 43, 135} & set(answer.options.codes()), f"{answer}")
