"""Events over the socket, as server-sent events and by polling; alarms."""

import json
import signal
import socket
import struct
import time

from http_lab import HttpServer
from lab import run, wait_for
from suite import expect, expect_equal, expect_in, scenario
from wire import CLIENTID, IA_NA, IA_PD, RAPID_COMMIT, SOLICIT, Asker, duid, option

KEPT = 8192     # events the server keeps


class Subscriber:
    """A connection to the socket that has subscribed."""

    def __init__(self, path, **params):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(15)
        self.socket.connect(path)
        self.file = self.socket.makefile("r", encoding="utf-8")
        self.answer = self.call("events.subscribe", **params)

    def call(self, method, **params):
        self.socket.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method,
                                        "params": params}).encode() + b"\n")
        while True:
            answer = self.next()
            if "id" in answer:
                return answer

    def next(self):
        return json.loads(self.file.readline())

    def event(self):
        return self.next()["params"]

    def quiet(self, seconds=0.3):
        """True when nothing comes."""
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(1, socket.MSG_PEEK) == b"nothing"
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(15)

    def close(self):
        self.file.close()
        self.socket.close()


class Stream:
    """GET /events."""

    def __init__(self, lab, path="/events", headers=None, receive_buffer=None):
        self.connection = lab.open(timeout=25, receive_buffer=receive_buffer)
        self.connection.request("GET", path, headers=headers or {})
        self.response = self.connection.getresponse()

    def next(self):
        """The fields of the next event; comments and retry times are passed over."""
        fields = {}
        while True:
            line = self.response.readline().decode().rstrip("\n")
            name, _, value = line.partition(": ")
            if line and name not in ("", "retry"):
                fields[name] = value
            elif not line and fields:
                fields["data"] = json.loads(fields["data"])
                return fields

    def close(self):
        self.connection.close()


@scenario
class Events(HttpServer):
    """A server, clients that get leases, and callers that listen."""

    name = "events"
    tests = ("a_lease_is_told", "filters_and_topics", "server_sent_events", "comes_back_where_it_was",
             "polling", "subscriptions_end", "not_over_post", "wrong_parameters", "config_is_told",
             "alarms_are_told", "alarm_is_acknowledged",
             "full_pool_raises_an_alarm", "slow_reader_finds_a_gap", "slow_stream_finds_a_gap",
             "numbers_grow_over_a_restart")

    def set_up(self):
        super().set_up()
        self.asker = Asker(self.lab, self.peer, "c0")
        self.number = 0

    def make_config(self):
        made = super().make_config()
        made["links"][0]["rapid_commit"] = True
        made["links"][0]["pools"][0]["range"] = "2001:db8:16::1000-2001:db8:16::1013"
        return made

    def lease(self):
        """An address and a prefix for a new client."""
        self.number += 1
        ia = struct.pack("!III", self.number, 0, 0)
        answer = self.asker.ask(SOLICIT, option(CLIENTID, duid(self.number)), option(RAPID_COMMIT),
                                option(IA_NA, ia), option(IA_PD, ia))
        expect(answer, "no answer to Solicit with Rapid Commit")

    def subscribe(self, **params):
        return Subscriber(self.server.socket_path, **params)

    def audit_event(self, count=1):
        """Makes events of the topic audit."""
        call = {"jsonrpc": "2.0", "id": 1, "method": "config.get", "params": {"redact": False, "path": "/store"}}
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.server.socket_path)
            file = connection.makefile("r", encoding="utf-8")
            while count > 0:
                connection.sendall(json.dumps([call] * min(count, 100)).encode() + b"\n")
                expect_equal("answers", len(json.loads(file.readline())), min(count, 100))
                count -= 100

    def a_lease_is_told(self):
        caller = self.subscribe(topics=["lease"])
        expect_equal("subscription", caller.answer["result"]["subscription"], "s1")
        time.sleep(0.1)     # the next turn of the control core tells the journal
        self.lease()
        events = [caller.event() for _ in range(2)]
        expect_equal("topics", {event["topic"] for event in events}, {"lease"})
        expect_equal("types", {event["data"]["type"] for event in events}, {"na", "pd"})
        for event in events:
            lease = self.server.lease(event["data"].get("address") or event["data"]["prefix"])
            for name, value in event["data"].items():
                expect_equal(f"{name} as told", value, lease[name])
        expect_equal("numbers", events[1]["seq"], events[0]["seq"] + 1)
        caller.close()

    def filters_and_topics(self):
        both = self.subscribe(topics=["lease", "audit"], filter={"type": "pd"})
        audit = self.subscribe(topics=["audit"])
        other = self.subscribe(filter={"link": "no such link"})
        time.sleep(0.1)
        self.lease()
        self.audit_event()
        expect_equal("type of a filtered event", both.event()["data"]["type"], "pd")
        expect_equal("topic", audit.event()["topic"], "audit")
        expect(both.quiet() and audit.quiet() and other.quiet(), "events that were not asked for")
        for caller in (both, audit, other):
            caller.close()

    def server_sent_events(self):
        stream = Stream(self, "/events?topics=lease,audit&type=na")
        expect_equal("status", stream.response.status, 200)
        expect_equal("Content-Type", stream.response.headers["Content-Type"], "text/event-stream")
        time.sleep(0.1)
        self.lease()
        event = stream.next()
        expect_equal("event, type", (event["event"], event["data"]["data"]["type"]), ("lease", "na"))
        expect_equal("id", int(event["id"]), event["data"]["seq"])
        stream.close()

    def comes_back_where_it_was(self):
        stream = Stream(self, "/events?topics=audit")
        self.audit_event(3)
        events = [stream.next() for _ in range(3)]
        stream.close()
        again = Stream(self, "/events?topics=audit", {"Last-Event-ID": events[0]["id"]})
        expect_equal("events behind the first", [again.next() for _ in range(2)], events[1:])
        again.close()
        again = Stream(self, f"/events?topics=audit&from_seq={events[2]['id']}")
        expect_equal("the last one", again.next(), events[2])
        again.close()

    def polling(self):
        newest = self.call("events.get", limit=1)["result"]["newest_seq"]
        self.audit_event(5)
        answer = self.call("events.get", topics=["audit"], after_seq=newest, limit=3)["result"]
        expect_equal("three of five", [event["seq"] for event in answer["events"]],
                     [newest + 1, newest + 2, newest + 3])
        answer = self.call("events.get", topics=["audit"], after_seq=answer["last_seq"])["result"]
        expect_equal("the rest", [event["seq"] for event in answer["events"]], [newest + 4, newest + 5])
        expect_equal("gaps", answer["gaps"], [])

    def subscriptions_end(self):
        caller = self.subscribe(topics=["audit"])
        for number in (2, 3, 4):
            expect_equal("next", caller.call("events.subscribe", topics=["config"])["result"]["subscription"],
                         f"s{number}")
        expect_equal("a fifth", caller.call("events.subscribe")["error"]["code"], -32005)
        expect_in("end of one", "result", caller.call("events.unsubscribe", subscription="s1"))
        expect_equal("again", caller.call("events.unsubscribe", subscription="s1")["error"]["code"], 1001)
        self.audit_event()
        expect(caller.quiet(), "an event of an ended subscription")
        caller.close()

    def not_over_post(self):
        expect_equal("events.subscribe over POST", self.call("events.subscribe")["error"]["code"], -32004)
        expect_equal("events.unsubscribe over POST",
                     self.call("events.unsubscribe", subscription="s1")["error"]["code"], 1001)

    def wrong_parameters(self):
        for query in ("topics=nothing", "topics=", "type=toolong", "from_seq=-1"):
            status, text, _ = self.get("/events?" + query)
            expect_equal(f"GET /events?{query}: {text}", status, 400)
        filters = {"type": "pd", "state": "active", "duid": "000102", "link": "a", "pool": "b"}
        expect_equal("five filters", self.call("events.get", filter=filters)["error"]["code"], -32602)

    def config_is_told(self):
        caller = self.subscribe(topics=["config"])
        self.server.popen.send_signal(signal.SIGHUP)
        event = caller.event()
        expect_equal("topic", event["topic"], "config")
        expect_equal("revision", event["data"]["revision"], self.server.rpc("server.status")["revision"])
        caller.close()

    def alarms_are_told(self):
        caller = self.subscribe(topics=["alarm"], filter={"check": "link"})
        run("ip", "-n", self.peer, "link", "set", "c0", "down")
        event = caller.event()
        expect_equal("raised", (event["data"]["check"], event["data"]["active"]), ("link", True))
        rows = self.call("alarm.list", active=True)["result"]["alarms"]
        expect_equal("standing", [(row["check"], row["active"]) for row in rows], [("link", True)])
        run("ip", "-n", self.peer, "link", "set", "c0", "up")
        expect_equal("cleared", caller.event()["data"]["active"], False)
        rows = self.call("alarm.list")["result"]["alarms"]
        row = next(row for row in rows if row["check"] == "link")
        expect(not row["active"] and row["since"] <= row["cleared"] and row["raised"] == 1, f"{row}")
        self.id = row["id"]
        self.lab.wait_link_local(self.peer, "c0")
        caller.close()

    def alarm_is_acknowledged(self):
        expect_equal("from loopback", self.call("alarm.ack", id=self.id)["error"]["code"], -32001)
        self.server.rpc("alarm.ack", id=self.id, comment="cable pulled")
        row = next(row for row in self.server.rpc("alarm.list")["alarms"] if row["id"] == self.id)
        expect_equal("who and why", (row["acked"], row["acked_by"], row["comment"]),
                     (True, "uid 0", "cable pulled"))
        try:
            self.server.rpc("alarm.ack", id=10**9)
        except Exception as error:   # pylint: disable=broad-except
            expect_in("an unknown one", "no alarm", str(error))
        else:
            expect(False, "an unknown alarm was acknowledged")

    def full_pool_raises_an_alarm(self):
        caller = self.subscribe(topics=["alarm"], filter={"check": "pool"})
        while self.number < 19:
            self.lease()

        def pool_alarm():
            self.server.rpc("pool.list")    # counts the leases
            return [row for row in self.call("alarm.list", active=True)["result"]["alarms"]
                    if row["check"] == "pool"]
        row = wait_for("an alarm of the pool", pool_alarm)[0]
        expect_equal("its subject", row["subject"], self.server.rpc("pool.list")["pools"][0]["pool"])
        expect_equal("as told", caller.event()["data"]["id"], row["id"])
        caller.close()

    def slow_reader_finds_a_gap(self):
        caller = self.subscribe(topics=["audit"])
        first = caller.answer["result"]["seq"]
        self.audit_event(2 * KEPT)      # while nobody reads
        expect_equal("the server meanwhile", self.get("/healthz")[0], 200)
        seen, gaps, expected = 0, 0, first
        while expected < first + 2 * KEPT:
            message = caller.next()
            if message["method"] == "events.gap":
                gap = message["params"]
                expect_equal("begin of a gap", gap["first"], expected)
                gaps += gap["last"] - gap["first"] + 1
                expected = gap["last"] + 1
            else:
                expect_equal("number", message["params"]["seq"], expected)
                seen, expected = seen + 1, expected + 1
        expect(gaps > 0 and seen >= KEPT, f"{gaps} lost, {seen} seen")
        caller.close()

    def slow_stream_finds_a_gap(self):
        stream = Stream(self, "/events?topics=audit", receive_buffer=16384)
        self.audit_event(4 * KEPT)      # more than the kernel and the ring hold together
        kinds = set()
        newest = self.server.rpc("events.get", limit=1)["newest_seq"]
        last = 0
        while last < newest:
            event = stream.next()
            kinds.add(event["event"])
            expect(int(event["id"]) > last, "numbers do not grow")
            last = int(event["id"])
        expect_equal("kinds", kinds, {"gap", "audit"})
        stream.close()

    def numbers_grow_over_a_restart(self):
        before = self.server.rpc("events.get", limit=1)["newest_seq"]
        self.server.stop(signal.SIGTERM)
        time.sleep(1.1)     # numbers begin with the second of the start
        self.server.restart()
        stream = Stream(self, "/events", {"Last-Event-ID": str(before)})
        event = stream.next()
        expect_equal("kind and begin", (event["event"], event["data"]["first"]), ("gap", before + 1))
        stream.close()
