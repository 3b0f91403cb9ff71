"""Redis servers of tests: the real one, and one that answers what it is told to."""
import socket
import subprocess
import threading

from harness.client import reserve_port
from harness.wait import PATIENCE_SECONDS, wait_until


class Redis:
    """A real Redis server on a port of its own, which keeps nothing on disk."""

    def __init__(self, folder, *options):
        self.folder = folder
        self.options = options
        self._holder = reserve_port()
        self.port = self._holder.getsockname()[1]
        self.socket_path = folder / "redis.socket"
        self.process = None

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        self.folder.mkdir(exist_ok=True)
        with open(self.folder / "output", "ab") as output:
            self.process = subprocess.Popen(
                ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port),
                 "--unixsocket", str(self.socket_path), "--dir", str(self.folder), "--save", "",
                 "--appendonly", "no", *self.options],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        wait_until(self.answers, "the Redis server answers")
        return self

    def answers(self):
        try:
            reply = self.ask("PING")
            return reply == "PONG" or reply.startswith("NOAUTH")
        except OSError:
            return False

    def ask(self, *words, credentials=()):
        """What the server answers to a command: a text, a number, None or a list of them."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE_SECONDS) as connection:
            stream = connection.makefile("rb")
            if credentials:
                connection.sendall(command("AUTH", *credentials))
                assert read_reply(stream) == "OK"
            connection.sendall(command(*words))
            return read_reply(stream)

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait(PATIENCE_SECONDS)
            self.process = None

    def close(self):
        self.kill()
        self._holder.close()


class Speaker:
    """A listener that answers each connection with what `answer(connection)` does, on a thread."""

    def __init__(self, answer):
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.connection_count = 0
        self._answer = answer
        self._open = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def _accept(self):
        while True:
            try:
                connection = self._socket.accept()[0]
            except OSError:
                return
            self.connection_count += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection):
        try:
            self._answer(connection)
        except OSError:
            pass

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in self._open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)


def command(*words):
    encoded = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word)
                                                for word in encoded)


def read_command(stream):
    """The words of a command; None at the end."""
    line = stream.readline()
    if not line:
        return None
    assert line[:1] == b"*", line
    words = []
    for _ in range(int(line[1:])):
        length = int(stream.readline()[1:])
        words.append(stream.read(length + 2)[:-2])
    return words


def read_reply(stream):
    line = stream.readline()
    if not line:
        raise ConnectionError("the Redis server has closed the connection")
    kind, rest = line[:1], line[1:-2]
    if kind in b"+-":
        return rest.decode()
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return None if rest == b"-1" else stream.read(int(rest) + 2)[:-2].decode()
    assert kind == b"*", line
    return [read_reply(stream) for _ in range(int(rest))]
