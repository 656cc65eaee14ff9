"""A mail server for tests: aiosmtpd on a free port of the loopback, until its standard input ends.

It prints `{"port": …}` first, then a line of JSON for each message that it has taken and for each connection.

    server.py [--tls implicit|starttls CERTIFICATE KEY] [--auth USER PASSWORD] [--raw TEXT] [--hang] [--hold COUNT] [--drop]

With `--raw` it says only this text and closes the connection; with `--hang` it says nothing at all. It takes no more
than the bytes of the messages that come first, as many as `--hold` says, and never answers them. With `--drop` no connection carries a second message.
Recipients that begin with `refused` are refused, those that begin with `later` for the moment; senders that begin
with `banned` are refused, and so is a message with `X-Spam` in it, in several lines.
"""

import argparse
import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


def tell(**what):
    print(json.dumps(what), flush=True)


class Handler:
    def __init__(self, hold, drop):
        self.hold = hold
        self.drop = drop

    async def handle_RSET(self, server, session, envelope):
        if self.drop:
            server.transport.abort()
        return "250 OK"

    async def handle_MAIL(self, server, session, envelope, address, options):
        if address.startswith("banned"):
            return "550 5.7.1 Sender is banned"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused"):
            return "550 5.1.1 No such user here"
        if address.startswith("later"):
            return "450 4.2.1 Try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if b"X-Spam" in envelope.content:
            return "554-5.7.1 This looks like spam.\r\n554 5.7.1 See the terms"
        tell(
            mail=envelope.mail_from,
            to=envelope.rcpt_tos,
            user=(session.auth_data or b"").decode(),
            tls=server.transport.get_extra_info("ssl_object") is not None,
            connection=session.peer[1],
            data=envelope.content.decode("utf-8", "replace"),
        )
        if self.hold:
            self.hold -= 1
            await asyncio.sleep(3600)
        return "250 2.0.0 Taken as 1"


class Server(SMTP):
    def connection_made(self, transport):
        # Once more after STARTTLS, on the same connection.
        if not self.session or not self.session.peer:
            tell(connected=transport.get_extra_info("peername")[1])
        super().connection_made(transport)


class Raw(asyncio.Protocol):
    def __init__(self, text):
        self.text = text

    def connection_made(self, transport):
        tell(connected=transport.get_extra_info("peername")[1])
        if self.text is not None:
            transport.write(self.text.encode())
            transport.close()


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tls", nargs=3)
    parser.add_argument("--auth", nargs=2)
    parser.add_argument("--raw")
    parser.add_argument("--hang", action="store_true")
    parser.add_argument("--hold", type=int, default=0)
    parser.add_argument("--drop", action="store_true")
    options = parser.parse_args()
    implicit = starttls = None
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.tls[1], options.tls[2])
        implicit, starttls = (context, None) if options.tls[0] == "implicit" else (None, context)

    def authenticate(server, session, envelope, mechanism, data):
        right = [data.login.decode(), data.password.decode()] == options.auth
        return AuthResult(success=right, handled=False, auth_data=data.login if right else None)

    def serve():
        more = {"tls_context": starttls, "require_starttls": True} if starttls else {}
        if options.auth:
            more |= {"authenticator": authenticate, "auth_required": True, "auth_require_tls": False}
        return Server(handler, hostname="mail.test", ident="test", loop=loop, **more)

    handler = Handler(options.hold, options.drop)
    loop = asyncio.get_running_loop()
    if options.hang or options.raw is not None:
        serve = lambda: Raw(options.raw)
    server = await loop.create_server(serve, "127.0.0.1", 0, ssl=implicit)
    tell(port=server.sockets[0].getsockname()[1])
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


asyncio.run(main())
