# SPDX-License-Identifier: Apache-2.0
"""Child processes: lines to wait for, limits on everything, ended by their own id."""
import socket
import subprocess
import threading
import time

LIMIT = 15.0  # seconds for any single wait


class Process:
    """A child whose output is collected by threads, so that it never blocks on a full pipe."""

    def __init__(self, args, stdin=subprocess.DEVNULL, cwd=None, env=None, pass_fds=()):
        self.args = [str(a) for a in args]
        self.child = subprocess.Popen(self.args, stdin=stdin, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, cwd=cwd, env=env,
                                      pass_fds=pass_fds)
        self.changed = threading.Condition()
        self.out, self.err = bytearray(), bytearray()
        self.threads = [self._collect(self.child.stdout, self.out),
                        self._collect(self.child.stderr, self.err)]

    def _collect(self, pipe, into):
        def work():
            while True:
                piece = pipe.read1(1 << 18)
                with self.changed:
                    if piece:
                        into.extend(piece)
                    self.changed.notify_all()
                if not piece:
                    pipe.close()
                    return

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        return thread

    def until(self, test, what, limit=LIMIT):
        """Waits until test() is true; it is asked again after each piece of output."""
        end = time.monotonic() + limit
        with self.changed:
            while not test():
                left = end - time.monotonic()
                dead = not any(t.is_alive() for t in self.threads)
                if left <= 0 or dead:
                    raise AssertionError("no %s from %s\n%s" % (what, self.args[0], self.text()))
                self.changed.wait(min(left, 0.5))

    def wait_for(self, needle, where="both", limit=LIMIT):
        needle = needle.encode() if isinstance(needle, str) else needle
        sources = {"out": [self.out], "err": [self.err], "both": [self.out, self.err]}[where]
        self.until(lambda: any(needle in s for s in sources), repr(needle[:80]), limit)

    def port(self):
        """The number in the line 'listening N' on standard error."""
        self.wait_for("listening ", "err")
        self.until(lambda: b"\n" in self.err.split(b"listening ", 1)[1], "port")
        return int(self.err.split(b"listening ", 1)[1].split(b"\n", 1)[0])

    def write(self, data):
        try:
            self.child.stdin.write(data)
            self.child.stdin.flush()
        except BrokenPipeError:
            self.finish()
            raise AssertionError("ended too early\n" + self.text()) from None

    def close_stdin(self):
        self.child.stdin.close()

    def finish(self, limit=LIMIT):
        """Waits for the end; kills what does not end and says so."""
        try:
            code = self.child.wait(limit)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("%s did not end\n%s" % (self.args[0], self.text())) from None
        for thread in self.threads:
            thread.join(limit)
        return code

    def kill(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait(5)

    def text(self):
        return "$ %s\n--- stdout\n%s\n--- stderr\n%s\n" % (
            " ".join(self.args), self.out[-3000:].decode(errors="replace"),
            self.err[-3000:].decode(errors="replace"))


def free_port():
    """For peers that cannot take port 0. The port is bound and released, so a race is possible
    in principle; SO_REUSEADDR keeps the kernel from handing it out again at once."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_listening(port, process, limit=LIMIT):
    """Until somebody listens on the port, read from the kernel's table: a trial connection would be
    served as the first client."""
    wanted = "%04X" % port
    end = time.monotonic() + limit
    while time.monotonic() < end:
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            with open(table, encoding="ascii") as f:
                for line in f:
                    fields = line.split()
                    if fields[3] == "0A" and fields[1].endswith(":" + wanted):
                        return
        if process.child.poll() is not None:
            raise AssertionError("ended before listening\n" + process.text())
        time.sleep(0.01)
    raise AssertionError("nobody listens on %d\n%s" % (port, process.text()))
