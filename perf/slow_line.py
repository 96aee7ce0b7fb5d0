"""A slow line between the servers of a pair: takes the partners' connections at each end under the other's address
and passes on what arrives after a delay. The kernel's netem would do, where it is there."""

import collections
import errno
import selectors
import socket
import sys
import threading
import time

from pair import A, B

PORT, READ_SIZE, QUEUE_MAX = 647, 1 << 20, 16 << 20


class Way:
    """One direction of one connection: a bounded queue of (when due, what)."""

    def __init__(self, source, sink, delay_s):
        self.source, self.sink, self.delay_s = source, sink, delay_s
        self.queue, self.queued = collections.deque(), 0
        self.ended = self.done = False

    def take(self):
        try:
            data = self.source.recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.ended = not data
        self.queue.append((time.monotonic() + self.delay_s, memoryview(data)))
        self.queued += len(data)

    def give(self, now):
        """What is due, as far as the sink takes it."""
        while self.queue and self.queue[0][0] <= now:
            due, data = self.queue.popleft()
            if not data:
                self.done = True
                return
            try:
                sent = self.sink.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self.done = True
                return
            self.queued -= sent
            if sent < len(data):
                self.queue.appendleft((now + 0.001, data[sent:]))
                return


class SlowLine(threading.Thread):
    """Takes the place of the line's switch; close() ends it."""

    def __init__(self, lab, pair, round_trip_s):
        super().__init__(daemon=True)
        self.lab, self.delay_s, self.closing, self.ways = lab, round_trip_s / 2, False, []
        near, line, port = lab.namespace("slow"), pair.line, pair.ports[B]
        lab.plug(line, near, "c0")
        lab.address(near, "c0", f"{pair.addresses[B]}/64")
        pair.cut_end(B)
        lab.sysctl(line, f"net.ipv6.conf.{port}.disable_ipv6=0")
        lab.address(line, port, f"{pair.addresses[A]}/64")
        self.selector = selectors.DefaultSelector()
        # Each end listens where one server looks for the other, and speaks to the other from there.
        self.ends = {near: pair.addresses[B], line: pair.addresses[A]}
        for here, there in ((near, line), (line, near)):
            listener = lab.socket(here, socket.AF_INET6, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self.ends[here], PORT))
            listener.listen()
            self.selector.register(listener, selectors.EVENT_READ, there)

    def connect(self, listener, there):
        taken, _ = listener.accept()
        onward = self.lab.socket(there, socket.AF_INET6, socket.SOCK_STREAM)
        onward.bind((self.ends[there], 0))
        # What we are called at the other end is the address that we have here.
        partner = next(address for namespace, address in self.ends.items() if namespace != there)
        try:
            onward.settimeout(2.0)
            onward.connect((partner, PORT))
        except OSError as error:
            if error.errno != errno.ECONNREFUSED:
                print(f"slow line: {error}", file=sys.stderr)
            taken.close()
            onward.close()
            return
        for one in (taken, onward):
            one.setblocking(False)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for source, sink in ((taken, onward), (onward, taken)):
            way = Way(source, sink, self.delay_s)
            self.ways.append(way)
            self.selector.register(source, selectors.EVENT_READ, way)

    def turn(self):
        now = time.monotonic()
        for way in self.ways:
            way.give(now)
        for way in [way for way in self.ways if way.done]:
            self.drop(way)
        due = [way.queue[0][0] for way in self.ways if way.queue]
        for key, _ in self.selector.select(max(0.0, min(due) - time.monotonic()) if due else 0.2):
            if not isinstance(key.data, Way):
                self.connect(key.fileobj, key.data)
            elif key.data.ended:
                time.sleep(0.001)   # its end is under way
            elif key.data.queued < QUEUE_MAX:
                key.data.take()

    def drop(self, done):
        """Both ways of a connection of which one has ended."""
        pair = {done.source, done.sink}
        for way in [way for way in self.ways if {way.source, way.sink} == pair]:
            self.ways.remove(way)
            self.selector.unregister(way.source)
            way.source.close()

    def run(self):
        while not self.closing:
            self.turn()

    def close(self):
        self.closing = True
        self.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()
