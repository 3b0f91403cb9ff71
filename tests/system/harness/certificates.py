"""Certificates made for a run of the tests, and clients that speak TLS by Python's own module."""
import socket
import ssl
import subprocess

from harness.wait import PATIENCE_SECONDS
from harness.wire25 import Caller


class Certificates:
    """An authority and whom it vouches for, as files of a folder."""

    def __init__(self, folder):
        self.folder = folder
        self._serial = 0
        self.make("authority", None)
        self.make("stranger", None)
        self.make("server", "authority", names="DNS:localhost,DNS:gateway.example,IP:127.0.0.1")
        self.make("other", "authority", names="DNS:other.example,IP:127.0.0.1")
        self.make("client", "authority")

    def make(self, name, issuer, names=None, days=2, subject=None):
        """NAME.pem and NAME.key; one without an issuer vouches for itself and for others."""
        self._serial += 1
        key, request = self.folder / f"{name}.key", self.folder / f"{name}.csr"
        subject = subject or f"/O=Tests/CN={name}"
        tool("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-keyout", key, "-out", request, "-subj", subject)
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"basicConstraints=critical,CA:{'FALSE' if issuer else 'TRUE'}\n"
                              + (f"subjectAltName={names}\n" if names else ""))
        signer = (["-CA", self.folder / f"{issuer}.pem", "-CAkey", self.folder / f"{issuer}.key"]
                  if issuer else ["-signkey", key])
        tool("x509", "-req", "-in", request, *signer, "-set_serial", self._serial,
             "-days", days, "-extfile", extensions, "-out", self.folder / f"{name}.pem")
        return self.path(name)

    def path(self, name, kind="pem"):
        return self.folder / f"{name}.{kind}"

    def directives(self, name="server"):
        """What a server or dial that is NAME says."""
        return (f"ssl_certificate {self.path(name)}; "
                f"ssl_certificate_key {self.path(name, 'key')};")

    def context(self, shows=None, trusts="authority", highest=None):
        """A client's, which shows the certificate of that name and trusts that authority."""
        context = ssl.create_default_context(cafile=self.path(trusts))
        if highest is not None:
            context.maximum_version = highest
        if shows is not None:
            context.load_cert_chain(self.path(shows), self.path(shows, "key"))
        return context


def tool(*arguments):
    subprocess.run(["openssl", *[str(one) for one in arguments]], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def secure_socket(server, context, port="$PORT", name="localhost", session=None, before=b""):
    """A connected socket behind its handshake; `before` is sent in front of all."""
    plain = socket.create_connection(("127.0.0.1", server.port(port)), timeout=PATIENCE_SECONDS)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    plain.sendall(before)
    try:
        return context.wrap_socket(plain, server_hostname=name, session=session)
    except Exception:
        plain.close()
        raise


class SecureCaller(Caller):
    """One end of a session with a server, over TLS."""

    def __init__(self, server, context, **options):
        super().__init__(server, connected=secure_socket(server, context, **options))
