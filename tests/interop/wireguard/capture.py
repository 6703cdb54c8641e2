# SPDX-License-Identifier: Apache-2.0
"""tshark as a witness: it records a link, and reads the record with our key log."""
import subprocess
import time

from lab import command


class Capture:
    def __init__(self, space, interface, folder):
        self.path = folder / "capture.pcap"
        self.process = space.start("tshark", "-q", "-i", interface, "-f", "udp", "-F", "pcap", "-w",
                                   self.path)
        # Nothing that comes before this line is in the file.
        self.process.wait_for("Capturing on")
        end = time.monotonic() + 10
        while not (self.path.exists() and self.path.stat().st_size >= 24):
            if time.monotonic() > end:
                raise AssertionError("tshark does not record\n" + self.process.text())
            time.sleep(0.05)

    def stop(self):
        time.sleep(0.5)  # what is on its way to the file
        if self.process.child.poll() is None:
            self.process.child.send_signal(subprocess.signal.SIGINT)
        self.process.finish()

    def read(self, *fields, only="", keys=None, options=()):
        """The fields of each packet that passes the filter, as lists of strings."""
        words = ["tshark", "-n", "-r", self.path, "-T", "fields", "-E", "separator=|"]
        words += ["-o", "wg.keylog_file:%s" % keys] if keys else []
        words += ["-Y", only] if only else []
        for field in fields:
            words += ["-e", field]
        out = command(words + list(options), limit=60)
        return [line.split("|") for line in out.splitlines()]
