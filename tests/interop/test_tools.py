# SPDX-License-Identifier: Apache-2.0
"""The commands that come with the libraries, driven as a person would: data and sessions."""
from pki import NAME
from programs import settings, show
from tools import CLI, GET, SELFSERV, SERV, STRSCLNT, S_CLIENT, S_SERVER, TSTCLNT, cell, same


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
    ours = bench.client(port, "--send", bench.file("get", GET), "--out", out, "--finish",
                        "wait").report()
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
    tool = bench.strsclnt(port, "-c", 4, "-N")
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
    end = b"-----END SSL SESSION PARAMETERS-----\n"
    tool.until(lambda: path.exists() and path.read_bytes().endswith(end),
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
    tool = bench.strsclnt(port, "-c", 10, "-u", "-t", 1)
    assert tool.finish() == 0, tool.text()
    assert sum(r["info"]["resumed"] for r in ours.reports()) >= 8


EARLY = settings(earlyData=True)


@cell("0-RTT", S_SERVER)
def test_s_server_early(bench):
    early = bench.data["early"]
    tool, port = bench.s_server("-early_data", "-max_early_data", 16384, "-no_anti_replay",
                                accept=2)
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
    assert second.bytes_in_early == early.size and second["info"]["early_data"] == "accepted", show(
        second
    )
    assert b"Early data was accepted" in tool.out, tool.text()


@cell("0-RTT", SERV)
def test_gnutls_serv_early(bench):
    tool, port = bench.gnutls_serv("--echo", "--disable-client-cert", "--earlydata",
                                   "--maxearlydata",
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
    report = twice(bench, port, EARLY, "--early", bench.file("get", GET), "--finish",
                   "wait").report()
    assert report.result == "closed" and report["info"]["early_data"] in ("accepted",
                                                                          "rejected"), show(report)
    assert report["info"]["resumed"] and report.bytes_in > 100, show(report)


@cell("0-RTT", TSTCLNT)
def test_tstclnt_early(bench):
    ours, port = bench.server(EARLY, "--receive", len(GET), "--connections", 2)
    bench.tstclnt(port, "-u", "-Z", "-L", 2)
    second = ours.reports()[1]
    # tstclnt may be overtaken by our answer; then it sends the request after the handshake.
    assert second["info"]["early_data"] == "accepted", show(second)
    assert second.bytes_in == len(GET) and second.bytes_in_early in (0, len(GET)), show(second)
