# SPDX-License-Identifier: Apache-2.0
"""The commands that come with the libraries, driven as a person would drive them."""
import re

import pytest

from pki import NAME
from programs import settings, show
from tools import GET, SECTION, Bench, same

KEY = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
LABEL = "EXPORTER-ennead-interop"
PSK_SUITE = settings(ciphersuite="TLS_AES_128_GCM_SHA256", tickets=0)
GNUTLS_PSK = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK:+DHE-PSK"


@pytest.fixture
def bench(programs, pki, data, tmp_path):
    return Bench(programs, pki, data, tmp_path)


def cell(row, column):
    """Marks one cell of the table of commands."""
    def mark(test):
        return pytest.mark.row(row)(pytest.mark.cell(SECTION, column)(test))
    return mark


S_SERVER, S_CLIENT, SERV, CLI = "openssl s_server", "openssl s_client", "gnutls-serv", "gnutls-cli"
SELFSERV, TSTCLNT, STRSCLNT = "selfserv", "tstclnt", "strsclnt"


# ---- data ------------------------------------------------------------------------------------


@cell("data both ways, orderly end", S_SERVER)
def test_s_server(bench):
    small = bench.data["small"]
    tool, port = bench.s_server()
    ours = bench.client(port, "--send", small.path, "--receive", small.size)
    tool.wait_for("CIPHER is TLS_AES_128_GCM_SHA256", "out")
    tool.write(small.bytes)
    same(ours.report(), small)
    tool.wait_for(small.bytes, "out")
    assert tool.finish() == 0


@cell("data both ways, orderly end", S_CLIENT)
def test_s_client(bench):
    small = bench.data["small"]
    ours, port = bench.server("--send", small.path, "--receive", small.size, "--finish", "wait")
    tool = bench.s_client(port)
    tool.write(small.bytes)
    tool.wait_for(small.bytes, "out")
    ours.wait_for("received %d" % small.size)
    tool.close_stdin()
    same(ours.report(), small)
    assert tool.finish() == 0
    assert b"Verify return code: 0 (ok)" in tool.out, tool.text()


@cell("data both ways, orderly end", SERV)
def test_gnutls_serv(bench):
    text = bench.file("text", b"0123456789\n" * 40)
    _, port = bench.gnutls_serv("--echo", "--disable-client-cert")
    ours = bench.client(port, "--send", text, "--receive", 440).report()
    assert ours.result == "closed" and ours.bytes_in == 440, show(ours)


@cell("data both ways, orderly end", CLI)
def test_gnutls_cli(bench):
    small = bench.data["small"]
    ours, port = bench.server("--send", small.path, "--receive", small.size, "--finish", "wait")
    tool = bench.gnutls_cli(port, "--logfile=%s" % bench.file("log", b""))
    tool.write(small.bytes)
    tool.wait_for(small.bytes, "out")
    tool.close_stdin()
    same(ours.report(), small)
    assert tool.finish() == 0


@cell("data both ways, orderly end", SELFSERV)
def test_selfserv(bench):
    _, port = bench.selfserv()
    out = bench.tmp / "out"
    ours = bench.client(port, "--send", bench.file("get", GET), "--out", out, "--finish", "wait").report()
    assert ours.result == "closed" and out.read_bytes().startswith(b"HTTP/1.0 200 OK"), show(ours)


@cell("data both ways, orderly end", TSTCLNT)
def test_tstclnt(bench):
    small = bench.data["small"]
    ours, port = bench.server("--send", small.path, "--receive", len(GET))
    tool = bench.tstclnt(port)
    tool.wait_for(small.bytes, "out")
    report = ours.report()
    assert report.bytes_in == len(GET) and report["info"]["server_name"] == NAME, show(report)
    assert tool.finish() == 0


@cell("data both ways, orderly end", STRSCLNT)
def test_strsclnt(bench):
    small = bench.data["small"]
    ours, port = bench.server("--send", small.path, "--receive", 21, "--connections", 4)
    tool = bench.tool("strsclnt", "-a", NAME, "-p", port, "-d", bench.nss(), "-c", 4, "-N", "-V",
                      "tls1.3:tls1.3", "127.0.0.1")
    tool.finish()
    assert b"4 server certificates tested" in tool.out, tool.text()
    assert [r.bytes_in for r in ours.reports()] == [21] * 4


@cell("a 16 MiB file over HTTP", S_SERVER)
def test_s_server_file(bench):
    """-HTTP sends the file as it is, headers and all; it serves from its working directory."""
    big = bench.data["big"]
    tool, port = bench.s_server("-HTTP", "-http_server_binmode", cwd=big.path.parent)
    get = bench.file("get", b"GET /%s HTTP/1.0\r\n\r\n" % big.path.name.encode())
    same(bench.client(port, "--send", get, "--finish", "wait").report(60), big)


@cell("a 16 MiB file over HTTP", SERV)
def test_gnutls_serv_file(bench):
    big, out = bench.data["big"], bench.tmp / "out"
    _, port = bench.gnutls_serv("--http", "--httpdata=%s" % big.path, "--disable-client-cert")
    ours = bench.client(port, "--send", bench.file("get", GET), "--out", out, "--finish", "wait")
    assert ours.report(60).result == "closed"
    assert out.read_bytes().endswith(b"\r\n\r\n" + big.bytes)


def wait_file(tool, path):
    """s_client writes a session when it comes, but tells of it only when its output is flushed."""
    tool.until(lambda: path.exists() and path.read_bytes().endswith(b"-----END SSL SESSION PARAMETERS-----\n"),
               "session file")


# ---- sessions ----------------------------------------------------------------------------------


def twice(bench, port, *args):
    """Our client runs for a session, then with it; the second report."""
    session = bench.tmp / "session"
    first = bench.client(port, "--want-sessions", 1, "--session-out", session, args).report()
    assert first.result == "closed", first
    return bench.client(port, "--session-in", "%s.0" % session, args)


@cell("resumption", S_SERVER)
def test_s_server_resume(bench):
    tool, port = bench.s_server("-rev", accept=2)
    text = bench.file("text", b"0123456789\n")
    report = twice(bench, port, "--send", text, "--receive", 11).report()
    assert report["info"]["resumed"] and report.bytes_in == 11, show(report)
    tool.finish()


@cell("resumption", S_CLIENT)
def test_s_client_resume(bench):
    session = bench.tmp / "session"
    ours, port = bench.server("--receive", 5, "--connections", 2)
    for flag in ("-sess_out", "-sess_in"):
        tool = bench.s_client(port, flag, session)
        wait_file(tool, session)
        tool.write(b"1234\n")
        tool.finish()
    reports = ours.reports()
    assert [r["info"]["resumed"] for r in reports] == [False, True], show(reports)
    assert b"Reused, TLSv1.3" in tool.out, tool.text()


@cell("resumption", SERV)
def test_gnutls_serv_resume(bench):
    _, port = bench.gnutls_serv("--echo", "--disable-client-cert")
    text = bench.file("text", b"0123456789\n")
    report = twice(bench, port, "--send", text, "--receive", 11).report()
    assert report.result == "closed" and report["info"]["resumed"], show(report)


@cell("resumption", CLI)
def test_gnutls_cli_resume(bench):
    ours, port = bench.server("--connections", 2, "--finish", "wait")
    tool = bench.gnutls_cli(port, "--resume", "--waitresumption")
    tool.wait_for("*** This is a resumed session")
    tool.close_stdin()
    assert [r["info"]["resumed"] for r in ours.reports()] == [False, True]


@cell("resumption", SELFSERV)
def test_selfserv_resume(bench):
    _, port = bench.selfserv("-u")
    report = twice(bench, port, "--send", bench.file("get", GET), "--finish", "wait").report()
    assert report.result == "closed" and report["info"]["resumed"], show(report)


@cell("resumption", TSTCLNT)
def test_tstclnt_resume(bench):
    ours, port = bench.server("--receive", len(GET), "--connections", 2)
    bench.tstclnt(port, "-u", "-L", 2)
    assert [r["info"]["resumed"] for r in ours.reports()] == [False, True]


@cell("resumption", STRSCLNT)
def test_strsclnt_resume(bench):
    small = bench.data["small"]
    ours, port = bench.server("--send", small.path, "--receive", 21, "--connections", 10)
    tool = bench.tool("strsclnt", "-a", NAME, "-p", port, "-d", bench.nss(), "-c", 10, "-u", "-t", 1,
                      "-V", "tls1.3:tls1.3", "127.0.0.1")
    assert tool.finish() == 0, tool.text()
    assert sum(r["info"]["resumed"] for r in ours.reports()) >= 8


EARLY = settings(earlyData=True)


@cell("0-RTT", S_SERVER)
def test_s_server_early(bench):
    early = bench.data["early"]
    tool, port = bench.s_server("-early_data", "-max_early_data", 16384, "-no_anti_replay", accept=2)
    ours = twice(bench, port, EARLY, "--early", early.path)
    tool.wait_for(early.bytes, "out")
    assert ours.report()["info"]["early_data"] == "accepted"
    assert b"Early data received" in tool.out, tool.text()


@cell("0-RTT", S_CLIENT)
def test_s_client_early(bench):
    early, session = bench.data["early"], bench.tmp / "session"
    ours, port = bench.server(EARLY, "--receive", 5, "--connections", 2)
    tool = bench.s_client(port, "-sess_out", session)
    wait_file(tool, session)
    tool.write(b"1234\n")
    tool.finish()
    tool = bench.s_client(port, "-sess_in", session, "-early_data", early.path)
    tool.finish()
    second = ours.reports()[1]
    assert second.bytes_in_early == early.size and second["info"]["early_data"] == "accepted", show(second)
    assert b"Early data was accepted" in tool.out, tool.text()


@cell("0-RTT", SERV)
def test_gnutls_serv_early(bench):
    tool, port = bench.gnutls_serv("--echo", "--disable-client-cert", "--earlydata", "--maxearlydata",
                                   16384)
    text = bench.file("text", b"0123456789\n")
    early = bench.file("early", b"77777\n")
    report = twice(bench, port, EARLY, "--early", early, "--send", text, "--receive", 11).report()
    assert report.result == "closed" and report["info"]["early_data"] == "accepted", show(report)


@cell("0-RTT", CLI)
def test_gnutls_cli_early(bench):
    early = bench.data["early"]
    ours, port = bench.server(EARLY, "--connections", 2, "--finish", "wait")
    tool = bench.gnutls_cli(port, "--resume", "--waitresumption", "--earlydata=%s" % early.path)
    tool.wait_for("*** This is a resumed session")
    tool.close_stdin()
    second = ours.reports()[1]
    assert second.bytes_in_early == early.size, show(second)
    assert second.sha256_in == early.sha256


@cell("0-RTT", SELFSERV)
def test_selfserv_early(bench):
    """selfserv's replay window refuses early data in its first seconds, so it is sent again."""
    _, port = bench.selfserv("-u", "-Z")
    report = twice(bench, port, EARLY, "--early", bench.file("get", GET), "--finish", "wait").report()
    assert report.result == "closed" and report["info"]["early_data"] in ("accepted", "rejected"), show(report)
    assert report["info"]["resumed"] and report.bytes_in > 100, show(report)


@cell("0-RTT", TSTCLNT)
def test_tstclnt_early(bench):
    ours, port = bench.server(EARLY, "--receive", len(GET), "--connections", 2)
    bench.tstclnt(port, "-u", "-Z", "-L", 2)
    second = ours.reports()[1]
    # tstclnt may be overtaken by our answer; then it sends the request after the handshake.
    assert second["info"]["early_data"] == "accepted", show(second)
    assert second.bytes_in == len(GET) and second.bytes_in_early in (0, len(GET)), show(second)


# ---- pre-shared keys -----------------------------------------------------------------------------


def psk_client(bench, port, *args):
    return bench.driver("client", "--port", port, "--name", NAME, "--psk", "joe:" + KEY, PSK_SUITE, args)


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


# ---- key update, exporters ------------------------------------------------------------------------


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
        tool.until(lambda n=i: bytes(tool.out + tool.err).count(b"KEYUPDATE") == n + 1, "key update")
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
    report = bench.client(port, EXPORT, "--send", bench.file("get", GET), "--finish", "wait").report()
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


# ---- records ---------------------------------------------------------------------------------------


RECORD_FLAGS = {"record padding to 1024": ["-record_padding", 1024],
                "-max_send_frag 512": ["-max_send_frag", 512],
                "-max_send_frag 1024 -split_send_frag 512": ["-max_send_frag", 1024, "-split_send_frag",
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


# ---- client certificates, refusals -------------------------------------------------------------------


def identity(bench):
    cert = bench.pki("client-p256")
    return cert.chain, cert.key


@cell("client certificate", S_SERVER)
def test_s_server_mutual(bench):
    tool, port = bench.s_server("-Verify", 1, "-verify_return_error", "-CAfile", bench.pki.ca, "-rev")
    cert, key = identity(bench)
    text = bench.file("text", b"0123456789\n")
    report = bench.client(port, "--cert", cert, "--key", key, "--send", text, "--receive", 11).report()
    assert report.result == "closed" and report.bytes_in == 11, show(report)
    assert b"CN = client" in tool.out + tool.err, tool.text()


@cell("client certificate", S_CLIENT)
def test_s_client_mutual(bench):
    cert, key = identity(bench)
    ours, port = bench.server("--ca", bench.pki.ca, settings(requireClient=True), "--receive", 5)
    tool = bench.s_client(port, "-cert", cert, "-key", key)
    tool.write(b"1234\n")
    report = ours.report()
    assert report.result == "closed" and report["info"]["peer_authenticated"], show(report)


@cell("client certificate", SERV)
def test_gnutls_serv_mutual(bench):
    _, port = bench.gnutls_serv("--echo", "--require-client-cert", "--verify-client-cert",
                                "--x509cafile=%s" % bench.pki.ca)
    cert, key = identity(bench)
    text = bench.file("text", b"0123456789\n")
    report = bench.client(port, "--cert", cert, "--key", key, "--send", text, "--receive", 11).report()
    assert report.result == "closed" and report.bytes_in == 11, show(report)


@cell("client certificate", CLI)
def test_gnutls_cli_mutual(bench):
    cert, key = identity(bench)
    ours, port = bench.server("--ca", bench.pki.ca, settings(requireClient=True), "--receive", 5)
    tool = bench.gnutls_cli(port, "--x509certfile=%s" % cert, "--x509keyfile=%s" % key)
    tool.write(b"1234\n")
    report = ours.report()
    assert report.result == "closed" and report["info"]["peer_authenticated"], show(report)


@cell("client certificate", SELFSERV)
def test_selfserv_mutual(bench):
    _, port = bench.selfserv("-r", "-r")
    cert, key = identity(bench)
    report = bench.client(port, "--cert", cert, "--key", key, "--send", bench.file("get", GET), "--finish",
                          "wait").report()
    assert report.result == "closed" and report.bytes_in > 100, show(report)


@cell("client certificate", TSTCLNT)
def test_tstclnt_mutual(bench):
    ours, port = bench.server("--ca", bench.pki.ca, settings(requireClient=True), "--receive", len(GET))
    bench.tstclnt(port, "-n", "client")
    report = ours.report()
    assert report.result == "closed" and report["info"]["peer_authenticated"], show(report)


def we_refuse(bench, port, tool, text):
    """Our client does not know the server's CA; the command says which alert it got."""
    report = bench.driver("client", "--port", port, "--ca", bench.pki.other_ca, "--name", NAME).report()
    assert (report.reason, report.alert) == ("CERT_UNKNOWN_ISSUER", 48), show(report)
    tool.wait_for(text)


@cell("our alert unknown_ca is named", S_SERVER)
def test_s_server_alert(bench):
    tool, port = bench.s_server()
    we_refuse(bench, port, tool, "SSL alert number 48")


@cell("our alert unknown_ca is named", SERV)
def test_gnutls_serv_alert(bench):
    tool, port = bench.gnutls_serv("--echo", "--disable-client-cert")
    we_refuse(bench, port, tool, "alert")


@cell("our alert unknown_ca is named", SELFSERV)
def test_selfserv_alert(bench):
    tool, port = bench.selfserv()
    we_refuse(bench, port, tool, "-12195")


def they_are_refused(bench, start, text):
    """A client certificate of an unknown CA: the command says which alert it got."""
    ours, port = bench.server("--ca", bench.pki.ca, settings(requireClient=True))
    tool = start(port)
    report = ours.report()
    assert (report.reason, report.alert) == ("CERT_UNKNOWN_ISSUER", 48), show(report)
    tool.wait_for(text)


@cell("our alert unknown_ca is named", S_CLIENT)
def test_s_client_alert(bench):
    cert = bench.pki("client-wrong-ca")
    they_are_refused(bench, lambda port: bench.s_client(port, "-cert", cert.chain, "-key", cert.key),
                     "SSL alert number 48")


@cell("our alert unknown_ca is named", CLI)
def test_gnutls_cli_alert(bench):
    cert = bench.pki("client-wrong-ca")
    they_are_refused(bench, lambda port: bench.gnutls_cli(port, "--x509certfile=%s" % cert.chain,
                                                          "--x509keyfile=%s" % cert.key), "[48]")
