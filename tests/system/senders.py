"""Sends numbers to workflows, for each one after the other, until the file `stop` is there or so many of each are
acknowledged. A line for each number goes to sent-<key>: the number, and the status or a word for none.

senders.py <folder> <how many, 0 for no bound> <seconds between two numbers> <port,port> <key> ..."""

import heapq
import os
import re
import selectors
import socket
import sys
import time

here, most, pause, ports = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4].split(",")
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
selector, due = selectors.DefaultSelector(), []


class Sender:
    def __init__(self, key):
        path = f"{here}/sent-{key}"
        self.head = f"POST /api/webhooks/{key} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        self.n = sum(1 for _ in open(path)) if os.path.exists(path) else 0
        self.out = open(path, "a")
        self.taken, self.sockets, self.current, self.answer = 0, {}, None, b""
        self.later(0)

    def later(self, seconds):
        heapq.heappush(due, (time.monotonic() + seconds, id(self), self))

    def send(self):
        self.since, self.answer, port = time.monotonic(), b"", ports[self.n % len(ports)]
        body = f'{{"n":{self.n}}}'
        try:
            if port not in self.sockets:
                opened = socket.create_connection(("127.0.0.1", int(port)), timeout=5)
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.sockets[port] = opened
                selector.register(opened, selectors.EVENT_READ, (self, port))
            self.current = port
            self.sockets[port].sendall(f"{self.head}content-length: {len(body)}\r\n\r\n{body}".encode())
        except OSError as err:
            self.failed(port, err)

    def read(self, port):
        try:
            data = self.sockets[port].recv(65536)
            if not data:
                raise ConnectionError
        except OSError as err:
            return self.failed(port, err)
        self.answer += data
        head, end, body = self.answer.partition(b"\r\n\r\n")
        length = LENGTH.search(head) if end else None
        if length and len(body) >= int(length.group(1)):
            self.told(head[9:12].decode())

    def failed(self, port, err):
        opened = self.sockets.pop(port, None)
        if opened:
            selector.unregister(opened)
            opened.close()
        if port == self.current or not opened:
            self.told(type(err).__name__)

    def told(self, word):
        self.out.write(f"{self.n} {word}\n")
        self.n, self.current = self.n + 1, None
        if word == "200":
            self.taken += 1
        if not most or self.taken < most:
            self.later(pause - (time.monotonic() - self.since) if word == "200" else 0.05)


senders = [Sender(key) for key in sys.argv[5:]]
looked, is_stopped = 0, False
while due or any(sender.current for sender in senders):
    now = time.monotonic()
    if now - looked > 0.05:
        looked, is_stopped = now, os.path.exists(f"{here}/stop")
        for sender in senders:
            if sender.current and now - sender.since > 60:
                sender.failed(sender.current, TimeoutError())
    while due and due[0][0] <= now:
        sender = heapq.heappop(due)[2]
        if not is_stopped:
            sender.send()
    if is_stopped and due:
        due.clear()
    wait = max(0.0, min(0.05, due[0][0] - now)) if due else 0.05
    for key, _ in selector.select(wait):
        sender, port = key.data
        if sender.sockets.get(port) is key.fileobj:
            sender.read(port)
for sender in senders:
    sender.out.close()
