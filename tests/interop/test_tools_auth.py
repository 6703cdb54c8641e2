# SPDX-License-Identifier: Apache-2.0
"""The commands of the libraries: client certificates, refusals, sudden death."""
from pki import NAME
from programs import settings, show
from tools import CLI, GET, SELFSERV, SERV, STRSCLNT, S_CLIENT, S_SERVER, TSTCLNT, cell


# ---- client certificates, refusals ---------------------------------------------------------------


def identity(bench):
    cert = bench.pki("client-p256")
    return cert.chain, cert.key


@cell("client certificate", S_SERVER)
def test_s_server_mutual(bench):
    tool, port = bench.s_server("-Verify", 1, "-verify_return_error", "-CAfile", bench.pki.ca,
                                "-rev")
    cert, key = identity(bench)
    text = bench.file("text", b"0123456789\n")
    report = bench.client(port, "--cert", cert, "--key", key, "--send", text, "--receive",
                          11).report()
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
    report = bench.client(port, "--cert", cert, "--key", key, "--send", text, "--receive",
                          11).report()
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
    report = bench.client(port, "--cert", cert, "--key", key, "--send", bench.file("get", GET),
                          "--finish",
                          "wait").report()
    assert report.result == "closed" and report.bytes_in > 100, show(report)


@cell("client certificate", TSTCLNT)
def test_tstclnt_mutual(bench):
    ours, port = bench.server("--ca", bench.pki.ca, settings(requireClient=True), "--receive",
                              len(GET))
    bench.tstclnt(port, "-n", "client")
    report = ours.report()
    assert report.result == "closed" and report["info"]["peer_authenticated"], show(report)


def we_refuse(bench, port, tool, text):
    """Our client does not know the server's CA; the command says which alert it got."""
    report = bench.driver("client", "--port", port, "--ca", bench.pki.other_ca, "--name",
                          NAME).report()
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
    """Our server does not know the CA of the client's certificate; the command says which alert it
    got."""
    ours, port = bench.server("--ca", bench.pki.other_ca, settings(requireClient=True))
    tool = start(port)
    report = ours.report()
    assert (report.reason, report.alert) == ("CERT_UNKNOWN_ISSUER", 48), show(report)
    tool.wait_for(text)


@cell("our alert unknown_ca is named", S_CLIENT)
def test_s_client_alert(bench):
    cert, key = identity(bench)
    they_are_refused(bench, lambda port: bench.s_client(port, "-cert", cert, "-key", key),
                     "SSL alert number 48")


@cell("our alert unknown_ca is named", CLI)
def test_gnutls_cli_alert(bench):
    cert, key = identity(bench)
    they_are_refused(bench, lambda port: bench.gnutls_cli(port, "--x509certfile=%s" % cert,
                                                          "--x509keyfile=%s" % key), "[48]")


@cell("our alert unknown_ca is named", TSTCLNT)
def test_tstclnt_alert(bench):
    they_are_refused(bench, lambda port: bench.tstclnt(port, "-n", "client"), "UNKNOWN_CA_ALERT")


@cell("our alert unknown_ca is named", STRSCLNT)
def test_strsclnt_alert(bench):
    they_are_refused(bench, lambda port: bench.strsclnt(port, "-c", 1, "-n", "client"), "-12195")


@cell("client certificate", STRSCLNT)
def test_strsclnt_mutual(bench):
    small = bench.data["small"]
    ours, port = bench.server("--ca", bench.pki.ca, settings(requireClient=True), "--send",
                              small.path,
                              "--receive", 21)
    tool = bench.strsclnt(port, "-c", 1, "-n", "client")
    report = ours.report()
    assert report.result == "closed" and report["info"]["peer_authenticated"], show(report)
    tool.finish()


CHOICE = "the signature algorithms choose among two certificates"


# ---- signature algorithms choose the certificate -------------------------------------------------


def two_certificates(bench, receive):
    """Our server has a P-256 and an RSA certificate; the client of the test wants RSA only."""
    rsa = bench.pki("rsa")
    return bench.server("--cert", rsa.chain, "--key", rsa.key, "--receive", receive)


def we_want_rsa(bench, port, *args):
    report = bench.client(port, settings(signatureAlgorithm="rsa_pss_rsae_sha512"), args).report()
    assert report.result == "closed", show(report)
    assert report["info"]["signature"] == "rsa_pss_rsae_sha512", show(report)


@cell(CHOICE, S_SERVER)
def test_s_server_signatures(bench):
    rsa = bench.pki("rsa")
    _, port = bench.s_server("-dcert", rsa.chain, "-dkey", rsa.key)
    we_want_rsa(bench, port)


@cell(CHOICE, S_CLIENT)
def test_s_client_signatures(bench):
    ours, port = two_certificates(bench, 5)
    tool = bench.s_client(port, "-sigalgs", "RSA-PSS+SHA384:ECDSA+SHA512")
    tool.write(b"1234\n")
    assert ours.report().result == "closed"
    tool.finish()
    assert b"Peer signature type: RSA-PSS" in tool.out, tool.text()
    assert b"Peer signing digest: SHA384" in tool.out, tool.text()


@cell(CHOICE, SERV)
def test_gnutls_serv_signatures(bench):
    rsa = bench.pki("rsa")
    _, port = bench.gnutls_serv("--echo", "--disable-client-cert", "--x509certfile", rsa.chain,
                                "--x509keyfile", rsa.key)
    we_want_rsa(bench, port, "--send", bench.file("text", b"0123456789\n"), "--receive", 11)


@cell(CHOICE, SELFSERV)
def test_selfserv_signatures(bench):
    _, port = bench.selfserv("-e", "rsa")
    we_want_rsa(bench, port, "--send", bench.file("get", GET), "--finish", "wait")


@cell(CHOICE, CLI)
def test_gnutls_cli_signatures(bench):
    ours, port = two_certificates(bench, 5)
    tool = bench.gnutls_cli(port, "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.3:-SIGN-ALL:"
                            "+SIGN-RSA-PSS-RSAE-SHA384")
    tool.write(b"1234\n")
    assert ours.report().result == "closed"
    tool.wait_for("(RSA-PSS-RSAE-SHA384)", "out")


@cell(CHOICE, TSTCLNT)
def test_tstclnt_signatures(bench):
    ours, port = two_certificates(bench, len(GET))
    tool = bench.tstclnt(port, "-J", "rsa_pss_rsae_sha512")
    assert ours.report().result == "closed"
    assert tool.finish() == 0, tool.text()


@cell(CHOICE, STRSCLNT)
def test_strsclnt_signatures(bench):
    ours, port = two_certificates(bench, 21)
    bench.strsclnt(port, "-c", 1, "-J", "rsa_pss_rsae_sha384")
    assert ours.report().result == "closed"


# ---- a peer that dies ----------------------------------------------------------------------------


def killed(bench, tool, ours):
    """The command is killed in the middle of the data: no close_notify."""
    ours.wait_for("event received")
    tool.kill()
    report = ours.report()
    assert report.result == "failed", show(report)
    assert (report.reason, report.origin) == ("TRUNCATED",
                                              "network") and report.bytes_in > 0, show(report)


@cell("killed in the middle: truncation is reported", S_SERVER)
def test_s_server_killed(bench):
    tool, port = bench.s_server()
    ours = bench.client(port, "--receive", 1 << 20)
    tool.wait_for("CIPHER is", "out")
    tool.write(bench.data["small"].bytes)
    killed(bench, tool, ours)


@cell("killed in the middle: truncation is reported", S_CLIENT)
def test_s_client_killed(bench):
    ours, port = bench.server("--receive", 1 << 20)
    tool = bench.s_client(port)
    tool.write(bench.data["small"].bytes)
    killed(bench, tool, ours)


@cell("killed in the middle: truncation is reported", SERV)
def test_gnutls_serv_killed(bench):
    tool, port = bench.gnutls_serv("--echo", "--disable-client-cert")
    text = bench.file("text", b"0123456789\n")
    killed(bench, tool, bench.client(port, "--send", text, "--receive", 1 << 20))


@cell("killed in the middle: truncation is reported", CLI)
def test_gnutls_cli_killed(bench):
    ours, port = bench.server("--receive", 1 << 20)
    tool = bench.gnutls_cli(port)
    tool.write(bench.data["small"].bytes)
    killed(bench, tool, ours)


@cell("killed in the middle: truncation is reported", TSTCLNT)
def test_tstclnt_killed(bench):
    ours, port = bench.server("--receive", 1 << 20)
    killed(bench, bench.tstclnt(port), ours)


# ---- clients asked once connected (RFC 8446 §4.6.2) ------------------------------------------------


LATER = "client certificate asked for once connected"


def ask_later(bench, length):
    return bench.server("--ca", bench.pki.ca, "--request-later", "--receive", length)


def check_later(report):
    assert report.result == "closed" and report["info"]["accepted_later"], show(report)
    assert report["info"]["peer_authenticated"], show(report)


@cell(LATER, S_CLIENT)
def test_s_client_later(bench):
    cert, key = identity(bench)
    ours, port = ask_later(bench, 5)
    tool = bench.s_client(port, "-enable_pha", "-cert", cert, "-key", key)
    tool.write(b"1234\n")
    check_later(ours.report())


@cell(LATER, CLI)
def test_gnutls_cli_later(bench):
    cert, key = identity(bench)
    ours, port = ask_later(bench, 5)
    tool = bench.gnutls_cli(port, "--post-handshake-auth", "--x509certfile=%s" % cert,
                            "--x509keyfile=%s" % key)
    tool.write(b"1234\n")
    check_later(ours.report())


@cell(LATER, TSTCLNT)
def test_tstclnt_later(bench):
    ours, port = ask_later(bench, len(GET))
    bench.tstclnt(port, "-E", "-n", "client")
    check_later(ours.report())


@cell(LATER, S_SERVER)
def test_s_server_later(bench):
    """The letter c asks; text behind it is sent."""
    cert, key = identity(bench)
    tool, port = bench.s_server("-CAfile", bench.pki.ca)
    ours = bench.client(port, "--cert", cert, "--key", key, settings(postHandshakeAuth=True),
                        "--receive", 5)
    tool.wait_for("CIPHER is", "out")
    tool.write(b"c\n")
    tool.wait_for("depth=0 CN = client")
    tool.write(b"1234\n")
    report = ours.report()
    assert report.result == "closed" and report.bytes_in == 5, show(report)


@cell(LATER, SELFSERV)
def test_selfserv_later(bench):
    """Four -r: a request after the handshake, and a certificate must come; without one it is over."""
    cert, key = identity(bench)
    for identity_flags, result in ((["--cert", cert, "--key", key], "closed"), ([], "failed")):
        _, port = bench.selfserv("-E", "-r", "-r", "-r", "-r")
        report = bench.client(port, identity_flags, settings(postHandshakeAuth=True), "--send",
                              bench.file("get", GET), "--finish", "wait").report()
        assert report.result == result and report["counts"]["ready"] == 1, show(report)
        assert report.bytes_in > 100 if result == "closed" else report.origin == "peer", show(report)
