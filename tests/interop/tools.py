# SPDX-License-Identifier: Apache-2.0
"""The libraries' own commands as peers of the driver."""
import shutil
import subprocess
from pathlib import Path

import pytest

from pki import NAME
from process import LIMIT, Process, free_port, wait_listening
from programs import DRIVER, Program, flags, show

SECTION = "Commands of the packages"
PACKAGES = {"openssl": "openssl", "gnutls-cli": "gnutls-bin", "gnutls-serv": "gnutls-bin",
            "selfserv": "libnss3-tools", "tstclnt": "libnss3-tools", "strsclnt": "libnss3-tools",
            "certutil": "libnss3-tools", "pk12util": "libnss3-tools"}
GET = b"GET / HTTP/1.0\r\n\r\n"

S_SERVER, S_CLIENT, SERV, CLI = "openssl s_server", "openssl s_client", "gnutls-serv", "gnutls-cli"
SELFSERV, TSTCLNT, STRSCLNT = "selfserv", "tstclnt", "strsclnt"


def cell(row, column):
    """Marks one cell of the table of commands."""
    def mark(test):
        return pytest.mark.row(row)(pytest.mark.cell(SECTION, column)(test))
    return mark


class Tool(Process):
    def __init__(self, args, **more):
        super().__init__(args, stdin=subprocess.PIPE, **more)


def need(command):
    if shutil.which(command) is None:
        pytest.skip("%s not tested: install %s" % (command, PACKAGES[command]))


class Bench:
    """What a test of a command needs: the driver, the command, files, and an end for all of it."""

    def __init__(self, start, pki, data, tmp):
        self.start, self.pki, self.data, self.tmp = start, pki, data, tmp
        self.nss_dir = None

    def driver(self, role, *args):
        return self.start(Program, DRIVER, role, args)

    def client(self, port, *args):
        return self.driver("client", "--port", port, "--ca", self.pki.ca, "--name", NAME, args)

    def server(self, *args, cert="p256"):
        identity = []
        if cert:
            identity = ["--cert", self.pki(cert).chain, "--key", self.pki(cert).key]
        program = self.driver("server", "--port", 0, identity, args)
        return program, program.port()

    def tool(self, command, *args, cwd=None):
        need(command)
        return self.start(Tool, command, args, cwd=cwd)

    def serve(self, command, *args, cwd=None):
        """A command that takes no port 0; returns it and its port, listening."""
        port = free_port()
        where = {"openssl": ["s_server", "-accept", "127.0.0.1:%d" % port],
                 "gnutls-serv": ["-p", port], "selfserv": ["-p", port]}[command]
        tool = self.tool(command, where, args, cwd=cwd)
        wait_listening(port, tool)
        return tool, port

    # ---- each command with its usual flags --------------------------------------

    def s_server(self, *args, cert="p256", accept=1, cwd=None):
        identity = ["-nocert"]
        if cert:
            identity = ["-cert", self.pki(cert).chain, "-key", self.pki(cert).key]
        return self.serve("openssl", identity, "-naccept", accept, "-tls1_3", args,
                          cwd=cwd)

    def s_client(self, port, *args):
        return self.tool("openssl", "s_client", "-connect", "127.0.0.1:%d" % port, "-servername",
                         NAME,
                         "-CAfile", self.pki.ca, "-verify_hostname", NAME, "-verify_return_error",
                         "-tls1_3", args)

    def gnutls_serv(self, *args, cert="p256"):
        identity = []
        if cert:
            identity = ["--x509certfile", self.pki(cert).chain, "--x509keyfile", self.pki(cert).key]
        return self.serve("gnutls-serv", identity, args)

    def gnutls_cli(self, port, *args):
        return self.tool("gnutls-cli", "127.0.0.1", "-p", port, "--x509cafile", self.pki.ca,
                         "--sni-hostname", NAME, "--verify-hostname", NAME, args)

    def nss(self):
        """A certificate database with the CA, two servers' and a client's identity."""
        if self.nss_dir is None:
            need("certutil")
            need("pk12util")
            self.nss_dir = "sql:%s" % self.tmp
            self._run("certutil", "-N", "-d", self.nss_dir, "--empty-password")
            self._run("certutil", "-A", "-d", self.nss_dir, "-n", "ca", "-t", "CT,C,C", "-i",
                      self.pki.ca)
            for name, kind in (("server", "p256"), ("rsa", "rsa"), ("client", "client-p256")):
                cert, p12 = self.pki(kind), Path(self.tmp) / (name + ".p12")
                self._run("openssl", "pkcs12", "-export", "-in", cert.chain, "-inkey", cert.key,
                          "-name",
                          name, "-passout", "pass:", "-out", p12)
                self._run("pk12util", "-i", p12, "-d", self.nss_dir, "-W", "")
        return self.nss_dir

    @staticmethod
    def _run(*args):
        subprocess.run(flags(args), check=True, capture_output=True, timeout=LIMIT)

    def selfserv(self, *args):
        return self.serve("selfserv", "-d", self.nss(), "-n", "server", "-V", "tls1.3:tls1.3", args)

    def tstclnt(self, port, *args):
        request = Path(self.tmp) / "request"
        request.write_bytes(GET)
        return self.tool("tstclnt", "-h", "127.0.0.1", "-a", NAME, "-p", port, "-d", self.nss(),
                         "-V",
                         "tls1.3:tls1.3", "-A", request, args)

    def strsclnt(self, port, *args):
        return self.tool("strsclnt", "-a", NAME, "-p", port, "-d", self.nss(), "-V",
                         "tls1.3:tls1.3",
                         args, "127.0.0.1")

    # ---- what both sides say ------------------------------------------------------

    def file(self, name, content):
        path = Path(self.tmp) / name
        path.write_bytes(content)
        return path


def same(report, data):
    assert report.result == "closed", show(report)
    assert (report.bytes_in, report.sha256_in) == (data.size, data.sha256), show(report)


# Cells of the commands' table that no test fills.
CLIENTS = (S_CLIENT, CLI, TSTCLNT, STRSCLNT)
MISSING = {
    ("external PSK",
     SELFSERV): "selfserv 3.87 takes -z but answers every client with its certificate",
    ("client certificate asked for once connected",
     SERV): "gnutls-serv does not tell what came of its **REAUTH**; its library is in the tables above",
    ("a 16 MiB file over HTTP", SELFSERV): "selfserv's answer has no body",
}


def without_command(row, column):
    if (row, column) in MISSING:
        return MISSING[row, column]
    if row == "middlebox compatibility asked for" and column not in (TSTCLNT, STRSCLNT):
        return "the client asks" if column == SELFSERV else "on by default, so in every other row"
    if row == "no middlebox compatibility" and column in (SELFSERV, TSTCLNT, STRSCLNT):
        return "off by default, so in every other row"
    if row.startswith("extensions that Ennead does not know") and column not in CLIENTS:
        return "a server may only answer extensions that were offered"
    if row.startswith("killed") and column in (SELFSERV, STRSCLNT):
        return "its answer is over before it can be killed"
    if row == "a 16 MiB file over HTTP" and column in CLIENTS:
        return "a client serves no file"
    return "%s has no flag or command for it" % column
