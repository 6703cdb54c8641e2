# SPDX-License-Identifier: Apache-2.0
"""The commands of the libraries: pre-shared keys, key updates, exporters, records."""
import re

import pytest

from pki import NAME
from programs import settings, show
from tools import CLI, GET, SELFSERV, SERV, STRSCLNT, S_CLIENT, S_SERVER, TSTCLNT, cell, same

KEY = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
LABEL = "EXPORTER-ennead-interop"
PSK_SUITE = settings(ciphersuite="TLS_AES_128_GCM_SHA256", tickets=0)
GNUTLS_PSK = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK:+DHE-PSK"


# ---- pre-shared keys -----------------------------------------------------------------------------


def psk_client(bench, port, *args):
    return bench.driver("client", "--port", port, "--name", NAME, "--psk", "joe:" + KEY, PSK_SUITE,
                        args)


def psk_server(bench, *args):
    return bench.server("--psk", "joe:" + KEY, PSK_SUITE, args, cert=None)


def check_psk(report):
    assert report.result == "closed" and report["info"]["external_psk"], show(report)
    assert report["info"]["psk_identity"] == "joe"


@cell("external PSK", S_SERVER)
def test_s_server_psk(bench):
    _, port = bench.s_server("-psk", KEY, "-psk_identity", "joe", "-rev", cert=None)
    text = bench.file("text", b"0123456789\n")
    check_psk(psk_client(bench, port, "--send", text, "--receive", 11).report())


@cell("external PSK", S_CLIENT)
def test_s_client_psk(bench):
    ours, port = psk_server(bench, "--receive", 5)
    tool = bench.s_client(port, "-psk", KEY, "-psk_identity", "joe")
    tool.write(b"1234\n")
    check_psk(ours.report())


@cell("external PSK", SERV)
def test_gnutls_serv_psk(bench):
    keys = bench.file("psk", ("joe:%s\n" % KEY).encode())
    _, port = bench.gnutls_serv("--echo", "--pskpasswd=%s" % keys, "--priority", GNUTLS_PSK,
                                "--disable-client-cert", cert=None)
    text = bench.file("text", b"0123456789\n")
    check_psk(psk_client(bench, port, "--send", text, "--receive", 11).report())


@cell("external PSK", CLI)
def test_gnutls_cli_psk(bench):
    ours, port = psk_server(bench, "--receive", 5)
    tool = bench.gnutls_cli(port, "--pskusername", "joe", "--pskkey", KEY, "--priority", GNUTLS_PSK)
    tool.write(b"1234\n")
    check_psk(ours.report())
    assert b"Connected as 'joe'" in tool.out, tool.text()


@cell("external PSK", TSTCLNT)
def test_tstclnt_psk(bench):
    ours, port = psk_server(bench, "--receive", len(GET))
    bench.tstclnt(port, "-z", "0x%s:joe" % KEY)
    check_psk(ours.report())


# ---- key update, exporters -----------------------------------------------------------------------


@cell("KeyUpdate: k and K, or ^rekey1^ and ^rekey^", S_SERVER)
def test_s_server_update(bench):
    tool, port = bench.s_server("-nbio")
    ours = bench.client(port, "--want-rekeys", 2, "--receive", 10)
    tool.wait_for("CIPHER is", "out")
    # s_server looks at the first letter of each read: one line, then wait.
    for i, (command, text) in enumerate(((b"k\n", b"1234\n"), (b"K\n", b"5678\n"))):
        tool.write(command)
        ours.until(lambda n=i: ours.err.count(b"event keys-updated") == n + 1, "key update")
        tool.write(text)
        ours.until(lambda n=i: ours.err.count(b"event received") == n + 1, "data")
    report = ours.report()
    assert report.result == "closed", show(report)
    assert (report["info"]["keys_received"], report["info"]["keys_sent"]) == (2, 1), show(report)


@cell("KeyUpdate: k and K, or ^rekey1^ and ^rekey^", S_CLIENT)
def test_s_client_update(bench):
    ours, port = bench.server("--want-rekeys", 2, "--receive", 10)
    tool = bench.s_client(port)
    tool.wait_for("Verify return code")
    for i, (command, text) in enumerate(((b"k\n", b"1234\n"), (b"K\n", b"5678\n"))):
        tool.write(command)
        tool.until(lambda n=i: bytes(tool.out + tool.err).count(b"KEYUPDATE") == n + 1,
                   "key update")
        tool.write(text)
        ours.until(lambda n=i: ours.err.count(b"event received") == n + 1, "data")
    report = ours.report()
    assert report.result == "closed", show(report)
    assert (report["info"]["keys_received"], report["info"]["keys_sent"]) == (2, 1), show(report)


@cell("KeyUpdate: k and K, or ^rekey1^ and ^rekey^", CLI)
def test_gnutls_cli_update(bench):
    ours, port = bench.server("--want-rekeys", 2, "--receive", 10)
    tool = bench.gnutls_cli(port, "--inline-commands")
    tool.wait_for("Simple Client Mode")
    tool.write(b"^rekey1^\n1234\n")
    tool.wait_for("Rekey was completed")
    tool.write(b"^rekey^\n5678\n")
    report = ours.report()
    assert report.result == "closed" and report.bytes_in == 10, show(report)
    assert (report["info"]["keys_received"], report["info"]["keys_sent"]) == (2, 1), show(report)


EXPORT = ["--export", LABEL + ":32"]


def check_export(report, tool):
    """Commands print upper or lower case, in one piece, in groups or with colons."""
    value = report.exports[LABEL + ":32"]
    shown = re.sub(rb"[:\s]", b"", bytes(tool.out + tool.err)).lower()
    assert len(value) == 64 and value.encode() in shown, (value, tool.text())


@cell("exporter", S_SERVER)
def test_s_server_export(bench):
    tool, port = bench.s_server("-keymatexport", LABEL, "-keymatexportlen", 32)
    report = bench.client(port, EXPORT).report()
    tool.finish()
    check_export(report, tool)


@cell("exporter", S_CLIENT)
def test_s_client_export(bench):
    ours, port = bench.server(EXPORT, "--receive", 5)
    tool = bench.s_client(port, "-keymatexport", LABEL, "-keymatexportlen", 32)
    tool.write(b"1234\n")
    report = ours.report()
    tool.finish()
    check_export(report, tool)


@cell("exporter", SERV)
def test_gnutls_serv_export(bench):
    tool, port = bench.gnutls_serv("--echo", "--disable-client-cert", "--keymatexport=" + LABEL,
                                   "--keymatexportsize=32")
    text = bench.file("text", b"0123456789\n")
    report = bench.client(port, EXPORT, "--send", text, "--receive", 11).report()
    tool.wait_for("Key material")
    check_export(report, tool)


@cell("exporter", CLI)
def test_gnutls_cli_export(bench):
    ours, port = bench.server(EXPORT, "--receive", 5)
    tool = bench.gnutls_cli(port, "--keymatexport=" + LABEL, "--keymatexportsize=32")
    tool.write(b"1234\n")
    check_export(ours.report(), tool)


@cell("exporter", SELFSERV)
def test_selfserv_export(bench):
    """selfserv keeps its output in a buffer until it ends."""
    tool, port = bench.selfserv("-v", "-x", LABEL + ":32")
    report = bench.client(port, EXPORT, "--send", bench.file("get", GET), "--finish",
                          "wait").report()
    tool.child.terminate()
    tool.finish()
    check_export(report, tool)


@cell("exporter", TSTCLNT)
def test_tstclnt_export(bench):
    ours, port = bench.server(EXPORT, "--receive", len(GET))
    tool = bench.tstclnt(port, "-x", LABEL + ":32")
    report = ours.report()
    tool.finish()
    check_export(report, tool)


# ---- records -------------------------------------------------------------------------------------


RECORD_FLAGS = {"record padding to 1024": ["-record_padding", 1024],
                "-max_send_frag 512": ["-max_send_frag", 512],
                "-max_send_frag 1024 -split_send_frag 512": ["-max_send_frag", 1024,
                                                             "-split_send_frag",
                                                             512],
                "no middlebox compatibility": ["-no_middlebox"],
                "nonblocking with retries": ["-nbio_test"]}


@cell("{what}", S_SERVER)
@pytest.mark.parametrize("what", RECORD_FLAGS)
def test_s_server_records(bench, what):
    small = bench.data["small"]
    tool, port = bench.s_server(RECORD_FLAGS[what])
    ours = bench.client(port, "--send", small.path, "--receive", small.size)
    tool.write(small.bytes)
    same(ours.report(), small)
    tool.wait_for(small.bytes, "out")


@cell("{what}", S_CLIENT)
@pytest.mark.parametrize("what", RECORD_FLAGS)
def test_s_client_records(bench, what):
    small = bench.data["small"]
    ours, port = bench.server("--send", small.path, "--receive", small.size)
    tool = bench.s_client(port, RECORD_FLAGS[what])
    tool.write(small.bytes)
    same(ours.report(), small)
    tool.wait_for(small.bytes, "out")


GNUTLS_NO_COMPAT = ["--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.3:%DISABLE_TLS13_COMPAT_MODE"]


@cell("no middlebox compatibility", SERV)
def test_gnutls_serv_no_compat(bench):
    _, port = bench.gnutls_serv("--echo", "--disable-client-cert", GNUTLS_NO_COMPAT)
    text = bench.file("text", b"0123456789\n")
    report = bench.client(port, "--send", text, "--receive", 11).report()
    assert report.result == "closed" and report.bytes_in == 11, show(report)


@cell("no middlebox compatibility", CLI)
def test_gnutls_cli_no_compat(bench):
    ours, port = bench.server("--receive", 5)
    bench.gnutls_cli(port, GNUTLS_NO_COMPAT).write(b"1234\n")
    report = ours.report()
    assert report.result == "closed" and report.bytes_in == 5, show(report)


@cell("middlebox compatibility asked for", TSTCLNT)
def test_tstclnt_compat(bench):
    ours, port = bench.server("--receive", len(GET))
    bench.tstclnt(port, "-e")
    report = ours.report()
    assert report.result == "closed" and report.bytes_in == len(GET), show(report)


# ---- what Ennead does not know, and a lot of what it knows -------------------------------

STRANGE = "extensions that Ennead does not know"
SRTP_PROFILE = "SRTP_AES128_CM_HMAC_SHA1_80"


@cell(STRANGE, S_CLIENT)
def test_s_client_strange(bench):
    ours, port = bench.server("--receive", 5)
    tool = bench.s_client(port, "-status", "-enable_pha", "-maxfraglen", 512, "-serverinfo",
                          "65281,17516", "-ct", "-noct")
    tool.write(b"1234\n")
    assert ours.report().result == "closed"


@cell(STRANGE, CLI)
def test_gnutls_cli_strange(bench):
    ours, port = bench.server("--receive", 5)
    tool = bench.gnutls_cli(port, "--heartbeat", "--compress-cert=zlib", "--post-handshake-auth",
                            "--recordsize=1024", "--srtp-profiles=" + SRTP_PROFILE)
    tool.write(b"1234\n")
    assert ours.report().result == "closed"


@cell(STRANGE, TSTCLNT)
def test_tstclnt_strange(bench):
    """OCSP, certificate transparency, delegated credentials, encrypted hello (as GREASE)."""
    ours, port = bench.server("--receive", len(GET))
    bench.tstclnt(port, "-T", "-U", "-B", "-G", "-i", 100, "-E", "-n", "client")
    assert ours.report().result == "closed"


@cell(STRANGE, STRSCLNT)
def test_strsclnt_strange(bench):
    ours, port = bench.server("--receive", 21)
    bench.strsclnt(port, "-c", 1, "-T", "-g", "-z")
    assert ours.report().result == "closed"


@cell("many tickets", S_SERVER)
def test_s_server_tickets(bench):
    _, port = bench.s_server("-num_tickets", 30)
    report = bench.client(port, "--want-sessions", 30).report()
    assert report.result == "closed" and report.sessions == 30, show(report)


@cell("many tickets", S_CLIENT)
def test_s_client_tickets(bench):
    ours, port = bench.server("--receive", 5, settings(tickets=16))
    tool = bench.s_client(port, "-msg")
    tool.write(b"1234\n")
    assert ours.report().result == "closed"
    tool.finish()
    assert (tool.out + tool.err).count(b"NewSessionTicket") == 16, tool.text()
